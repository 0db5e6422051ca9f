"""`python -m dashboard.embedded`: the addresses of the servers, which it starts where none run.

Those that run already are left alone. Those it starts run until Ctrl-C. `--print` starts none.
"""

from __future__ import annotations

import argparse
import signal

from dashboard import environment
from dashboard.embedded import Servers, addresses, running
from dashboard.errors import SetupError, exit_with_message


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dashboard.embedded", description=__doc__)
    parser.add_argument("--print", action="store_true", help="print the addresses, start nothing")
    only_print = parser.parse_args().print
    data_dir = environment.read().data_dir
    if found := addresses.of_running_servers(data_dir):
        print(found, end="")
    elif only_print:
        raise SetupError(
            f"No servers run in {data_dir}: start them with `make run` "
            "or `python -m dashboard.embedded`"
        )
    else:
        serve(Servers(data_dir))


def serve(servers: Servers) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running(servers):
        print(servers.lines(), end="", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    with exit_with_message():
        main()

"""`python -m dashboard.embedded`: prints the servers' addresses, and starts the servers unless they run.

Servers that it starts run until Ctrl-C. `--print` starts none.
The addresses are those for agents; `--log-in owner` prints those for a backup or psql.
"""

from __future__ import annotations

import argparse
from contextlib import suppress

from dashboard import environment
from dashboard.embedded import Servers, addresses, of_environment, running
from dashboard.embedded.credentials import LogIn
from dashboard.errors import SetupError, exit_with_message
from dashboard.stop_signals import Stop, stop_on_signals


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dashboard.embedded", description=__doc__)
    parser.add_argument("--print", action="store_true", help="print the addresses, start nothing")
    parser.add_argument(
        "--log-in",
        choices=[str(log_in) for log_in in LogIn],
        default=str(LogIn.AGENTS),
        help="whose addresses are printed; the default is agents",
    )
    asked = parser.parse_args()
    given, log_in = environment.read(), LogIn(asked.log_in)
    if found := addresses.of_running_servers(given.data_dir):
        print(found if log_in == LogIn.AGENTS else of_environment(given).lines(log_in), end="")
    elif asked.print:
        raise SetupError(
            f"No servers run in {given.data_dir}: start them with `make run` "
            "or `python -m dashboard.embedded`"
        )
    else:
        serve(Servers(given.data_dir, namespace=given.namespace), log_in)


def serve(servers: Servers, log_in: LogIn) -> None:
    stop = stop_on_signals()
    with suppress(Stop), running(servers):
        print(servers.lines(log_in), end="", flush=True)
        while True:
            stop.wait(3600)


if __name__ == "__main__":
    with exit_with_message():
        main()

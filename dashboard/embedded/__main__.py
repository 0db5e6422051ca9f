"""`python -m dashboard.embedded`: only the servers, until Ctrl-C; prints their addresses."""

from __future__ import annotations

import signal

from dashboard import environment
from dashboard.embedded import Servers, postgres, running, valkey
from dashboard.problems import said_in_one_line


def main() -> None:
    data_dir = environment.read().data_dir
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running(Servers(data_dir)):
        print(
            f"DATABASE_URL={postgres.url(data_dir)}\nVALKEY_URL={valkey.url(data_dir)}", flush=True
        )
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    with said_in_one_line():
        main()

"""`python -m dashboard.healthcheck`: asks /healthz of the server beside it; exit 0 when it serves."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

from dashboard import environment
from dashboard.errors import exit_with_message
from dashboard.port import url_of


def main() -> int:
    settings = environment.read()
    url = f"{url_of(settings.host, settings.port)}healthz"
    try:
        with urllib.request.urlopen(url, timeout=4) as answer:  # noqa: S310  (our own address)
            print(answer.read().decode())
            return 0
    except urllib.error.HTTPError as error:
        print(error.read().decode())
    except OSError as error:
        print(error)
    return 1


if __name__ == "__main__":
    with exit_with_message():
        sys.exit(main())

"""`python -m dashboard.healthcheck [web|sweep]`: exit code 0 if that role works.

`web` requests /healthz of the local server. `sweep` checks in the database whether any watchdog ran
in the last 30 s. The default is the role of the container's first process.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from dashboard import environment
from dashboard.errors import exit_with_message
from dashboard.listen_address import url_of

ROLES = ("web", "sweep")


def role(arguments: list[str], first_process: Path = Path("/proc/1/cmdline")) -> str:
    if arguments:
        return arguments[0]
    try:
        started_with = first_process.read_bytes().split(b"\0")
    except OSError:
        return "web"
    return "sweep" if b"sweep" in started_with else "web"


def main(arguments: list[str]) -> int:
    wanted = role(arguments)
    if wanted not in ROLES:
        print(f"there is no role {wanted[:40]}: give web or sweep")
        return 2
    return sweep() if wanted == "sweep" else web()


def web() -> int:
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


def sweep() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    from dashboard import healthz

    database, watchdog = healthz.database_states()
    print(f"database: {database}, watchdog: {watchdog or 'not known'}")
    return 0 if watchdog == "ok" else 1


if __name__ == "__main__":
    with exit_with_message():
        sys.exit(main(sys.argv[1:]))

"""`python -m dashboard.web`: only the web server, with servers that run elsewhere. Used by containers."""

from __future__ import annotations

import os

from dashboard import environment
from dashboard.all_in_one import daphne
from dashboard.errors import SetupError, exit_with_message


def main() -> None:
    settings = environment.read()
    needed = {"DATABASE_URL": settings.database_url, "SECRET_KEY": settings.secret_key}
    if missing := [name for name, value in needed.items() if not value]:
        raise SetupError(
            f"{' and '.join(missing)} must be set: the web server alone starts no database, "
            "and every one of them needs the same key (`make run` does without)"
        )
    command = daphne(settings)
    os.execv(command[0], command)  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    with exit_with_message():
        main()

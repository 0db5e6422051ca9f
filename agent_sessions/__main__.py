"""`python -m agent_sessions migrate [DATABASE_URL]`: prepares a database for agents without the dashboard."""

from __future__ import annotations

import argparse
import os
import sys

import psycopg

from agent_sessions import schema

EXAMPLE = "postgresql://owner@host/name"


def main(arguments: list[str]) -> int:
    parser, migrate = _parsers()
    given = parser.parse_args(arguments)
    if not given.address:
        migrate.error(f"DATABASE_URL is missing: give an address like {EXAMPLE}, or set it")
    try:
        applied = schema.migrate(given.address)
    except (psycopg.Error, RuntimeError, UnicodeError) as error:
        print(_in_one_line(error), file=sys.stderr)
        return 1
    print("\n".join(applied) if applied else "nothing to do")
    return 0


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    about = "Prepares a PostgreSQL database for agents, without the dashboard."
    parser = argparse.ArgumentParser("python -m agent_sessions", description=about)
    commands = parser.add_subparsers(required=True, metavar="migrate")
    migrate = commands.add_parser(
        "migrate",
        description=f"{about} What was applied before is left out, so repeating it is harmless.",
        help="create the tables of DATABASE_URL, or bring them up to date",
    )
    migrate.add_argument(
        "address",
        metavar="DATABASE_URL",
        nargs="?",
        default=os.environ.get("DATABASE_URL", ""),
        help=f"address of the tables' owner, such as {EXAMPLE}; by default the variable DATABASE_URL",
    )
    return parser, migrate


def _in_one_line(error: Exception) -> str:
    said = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"this log-in may not change the tables ({said}): give the address of their owner"
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return f"PostgreSQL cannot be reached: {said}"
    if isinstance(error, UnicodeError) or (
        isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None
    ):
        return f"the database's address cannot be read: {said}; give one like {EXAMPLE}"
    if isinstance(error, psycopg.Error):
        return f"PostgreSQL refused the migration: {said}"
    return said


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

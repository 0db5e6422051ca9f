"""`python -m agent_sessions`: help, and one line for each error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from psycopg.conninfo import make_conninfo

from tests.library.test_roles import logins as logins
from tests.support.waiting import HANGS


def run(*arguments: str, database_url: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent_sessions", *arguments],
        env={**os.environ, "DATABASE_URL": database_url, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=HANGS,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["migrate", "--help"]], ids=" ".join)
def test_it_says_what_it_does(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "migrate" in done.stdout and "DATABASE_URL" in done.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["migrate"], ["nonsense"], ["migrate", "--nope"], ["migrate", "a", "b"]]
)
def test_what_it_does_not_know_is_a_usage_error(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python -m agent_sessions")


WRONG = {
    "nonsense": r"the database's address cannot be read: .*; give one like postgresql://",
    "http://127.0.0.1/x": r"the database's address cannot be read: ",
    "postgresql://127.0.0.1:1/x": r"PostgreSQL cannot be reached: .*refused",
    "postgresql://no-such-host.invalid/x": r"PostgreSQL cannot be reached: ",
    "postgresql://olga\udce4@127.0.0.1/x": r"the database's address cannot be read: ",
}


@pytest.mark.parametrize("address", WRONG, ids=ascii)
def test_a_wrong_address_is_one_line(address: str) -> None:
    done = run("migrate", address)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert re.match(WRONG[address], done.stderr)


def test_the_agents_log_in_learns_whose_address_is_needed(
    database_url: str, logins: Callable[[str], str]
) -> None:
    done = run("migrate", logins("agent"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert re.match(r"this log-in may not change the tables \(.*\): .*their owner", done.stderr)


def test_a_database_that_only_reads_is_one_line(database_url: str) -> None:
    read_only = make_conninfo(database_url, options="-c default_transaction_read_only=on")
    done = run("migrate", read_only)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert re.match(r"PostgreSQL refused the migration: .*read-only", done.stderr)


def test_a_database_is_migrated_once(database_url: str) -> None:
    done = run("migrate", database_url=database_url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing to do\n", "")

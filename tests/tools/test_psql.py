"""`make psql`: psql on the database, without a password among its arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.environment import BASE_DIR
from dashboard.errors import SetupError
from tools import psql


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    return subprocess.run(
        [sys.executable, "-m", "tools.psql", *arguments],
        cwd=BASE_DIR,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_asks_the_database_of_the_address(database_url: str) -> None:
    done = run("-Atc", "SELECT to_regclass('agent_sessions')", DATABASE_URL=database_url)
    assert (done.stdout, done.stderr) == ("agent_sessions\n", "")


def test_the_password_is_in_no_process_list(database_url: str) -> None:
    arguments = "\\! tr '\\0' ' ' < /proc/$PPID/cmdline"
    done = run("-Atc", arguments, DATABASE_URL=database_url)
    password = database_url.split("@")[0].rpartition(":")[2]
    assert "--dbname=" in done.stdout
    assert password
    assert password not in done.stdout


def test_without_a_server_it_says_how_to_start_one(tmp_path: Path) -> None:
    done = run(DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == (
        f"error: No servers run in {tmp_path}: start them with `make run` "
        "or `python -m dashboard.embedded`, or set DATABASE_URL\n"
    )


def test_where_no_package_brings_it_the_system_s_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(psql, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="apt-get install postgresql-client"):
        psql.find_psql()
    (tmp_path / "psql").touch(mode=0o755)
    assert psql.find_psql() == str(tmp_path / "psql")

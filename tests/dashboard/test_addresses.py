"""Printing the addresses of running servers, in another terminal."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from dashboard.embedded import Servers, postgres, running, valkey
from dashboard.embedded.credentials import LogIn
from tests.support.dashboard import own_environment


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dash-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"


def ask(data_dir: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    env = {"DATABASE_URL": "", "VALKEY_URL": "", **env}
    return subprocess.run(
        [sys.executable, "-m", "dashboard.embedded", *options],
        env=own_environment({"DATA_DIR": str(data_dir), **env}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def exported(lines: str) -> dict[str, str]:
    """The variables after a shell has run the lines."""
    program = "import os; print(os.environ['DATABASE_URL']); print(os.environ['VALKEY_URL'])"
    done = subprocess.run(
        ["/bin/sh", "-c", f'{lines}\nexec {sys.executable} -c "{program}"'],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    database, cache = done.stdout.splitlines()
    return {"database": database, "valkey": cache}


@pytest.mark.parametrize("options", [(), ("--print",)])
def test_while_they_run_the_command_prints_two_lines_that_lead_there(
    data_dir: Path, options: tuple[str, ...]
) -> None:
    with running(Servers(data_dir, durable=False)):
        done = ask(data_dir, *options)
        assert (done.returncode, done.stderr) == (0, "")
        urls = exported(done.stdout)
        with psycopg.connect(urls["database"]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with redis.Redis.from_url(urls["valkey"]) as client:
            assert client.ping()


def test_a_path_with_a_blank_and_a_quote_is_exported_whole(data_dir: Path) -> None:
    odd = data_dir.parent / "it's a $HOME"
    with running(Servers(odd, durable=False)):
        urls = exported(ask(odd).stdout)
        assert urls == {
            "database": postgres.url(odd, LogIn.AGENTS),
            "valkey": valkey.url(odd, LogIn.AGENTS),
        }


def test_an_address_that_was_given_is_printed_as_it_was_given(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:geheim@db/agents")
    with running(Servers(data_dir, database=False)):
        urls = exported(ask(data_dir).stdout)
    assert urls == {
        "database": "postgresql://me:geheim@db/agents",
        "valkey": valkey.url(data_dir, LogIn.AGENTS),
    }


def test_only_their_owner_may_read_the_addresses(data_dir: Path) -> None:
    with running(Servers(data_dir, database=False)):
        readable = [path for path in data_dir.glob("addresses*") if path.stat().st_mode & 0o077]
        assert readable == []
        assert list(data_dir.glob("addresses*")) != []


def test_where_nothing_runs_print_says_how_to_start(data_dir: Path) -> None:
    with running(Servers(data_dir, database=False)):
        pass
    done = ask(data_dir, "--print")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: No servers run in {data_dir}: start them with `make run` "
        "or `python -m dashboard.embedded`\n"
    )


def test_who_asks_while_they_start_waits_for_them(data_dir: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-m", "dashboard.embedded"],
        env=own_environment({"DATA_DIR": str(data_dir)}),
        stdout=subprocess.PIPE,
        text=True,
    )
    with first:
        while not (data_dir / "lock").exists() or not (data_dir / "lock").read_text():
            assert first.poll() is None
        done = ask(data_dir, "--print")
        assert first.stdout
        lines = [first.stdout.readline(), first.stdout.readline()]
        first.terminate()
    assert done.stdout.splitlines(keepends=True) == lines

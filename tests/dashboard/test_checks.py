"""`manage.py check --deploy` warns if somebody logs in as the owner of the tables."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from agent_sessions import schema
from dashboard.embedded import Servers, postgres, running
from dashboard.embedded.credentials import LogIn
from dashboard.environment import BASE_DIR
from tests.support.dashboard import free_port, own_environment

OWNER = "DATABASE_URL meldet sich als „postgres“ an"
AS_OWNER = "als Eigentümer der Tabellen („postgres“) angemeldet"


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dash-") as folder:
        Path(folder).chmod(0o711)
        with running(Servers(Path(folder) / "data", valkey=False, durable=False)) as servers:
            schema.migrate(postgres.url(servers.data_dir))
            yield servers.data_dir


def check(url: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs the check. Its texts are German, as those of the commands."""
    settings = {"BEHIND_HTTPS": "1", "ALLOWED_HOSTS": "dashboard.example.org", "DATABASE_URL": url}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env=own_environment({**settings, **env}),
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


def test_pages_that_log_in_as_the_owner_are_warned_of(data_dir: Path) -> None:
    done = check(postgres.url(data_dir))
    assert (OWNER in done.stderr, done.returncode) == (True, 1)
    assert "MIGRATE_DATABASE_URL" in done.stderr


def test_agents_that_are_connected_as_the_owner_are_warned_of(data_dir: Path) -> None:
    with psycopg.connect(postgres.url(data_dir)):
        done = check(postgres.url(data_dir, LogIn.DASHBOARD))
    assert (AS_OWNER in done.stderr, done.returncode) == (True, 1)


def test_log_ins_of_their_own_are_not_warned_of(data_dir: Path) -> None:
    with psycopg.connect(postgres.url(data_dir, LogIn.AGENTS)):
        done = check(postgres.url(data_dir, LogIn.DASHBOARD))
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_superuser_that_owns_nothing_there_is_not_counted(data_dir: Path) -> None:
    with psycopg.connect(postgres.url(data_dir), autocommit=True) as owner:
        owner.execute("CREATE ROLE monitoring SUPERUSER LOGIN PASSWORD 'x'")
    address = postgres.url(data_dir)
    with psycopg.connect(address, user="monitoring", password="x"):
        done = check(postgres.url(data_dir, LogIn.DASHBOARD))
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_database_that_is_away_is_said_and_fails_nothing() -> None:
    done = check(f"postgresql://127.0.0.1:{free_port()}/none")
    assert "Wer sich bei PostgreSQL anmeldet, wurde nicht geprüft: " in done.stderr
    assert done.returncode == 0

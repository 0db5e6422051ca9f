"""`manage.py sweep` as it runs beside the dashboard: real processes, which the tests also kill."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest
from django.conf import settings

from agent_sessions import SessionManager
from tests.support.dashboard import free_port, own_environment
from tests.support.waiting import HANGS

from .conftest import Database, Make

PATIENCE = HANGS
HOLDER = """
SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'sessions sweeper'
"""


class Processes:
    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "sweep", *arguments],
            cwd=settings.BASE_DIR, env=own_environment(env), stderr=subprocess.PIPE,
        )  # fmt: skip
        self.started.append(process)
        return process

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate()


@pytest.fixture
def processes(database_url: str) -> Iterator[Processes]:
    found = Processes()
    yield found
    found.end()


async def until_someone_watches(database: Database) -> int:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := await database.rows(HOLDER):
            return int(found[0][0])
        await asyncio.sleep(0.05)
    raise AssertionError("nobody watches")


async def test_when_the_leader_is_killed_another_watchdog_takes_over(
    processes: Processes, make: Make, database: Database
):
    first = processes.start()
    await until_someone_watches(database)
    standing_by = make()
    await standing_by.look()
    assert not standing_by.sweeper.is_watching
    first.send_signal(signal.SIGKILL)
    first.wait()
    deadline = time.monotonic() + PATIENCE
    while not standing_by.sweeper.is_watching and time.monotonic() < deadline:
        await standing_by.sweeper.tick()
    assert standing_by.sweeper.is_watching


async def test_sigterm_ends_the_watchdog_and_releases_its_leadership(
    processes: Processes, database: Database
):
    process = processes.start()
    await until_someone_watches(database)
    process.send_signal(signal.SIGTERM)
    _, said = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
    assert process.returncode == 0, said.decode()
    assert b"Traceback" not in said
    assert await database.rows(HOLDER) == []


async def test_sweep_once_checks_once(
    processes: Processes, manager: SessionManager, database: Database
):
    """The whole command: rules from the environment, maintenance, the manager."""
    session = await manager.create_session("grader", "u")
    process = processes.start("--once")
    _, said = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
    assert process.returncode == 0, said.decode()
    assert await database.one("SELECT count(*) FROM agent_session_monitors") == 1
    assert await database.state_of(session.session_id) == "active"


async def test_a_failed_sweep_once_ends_with_an_error(
    processes: Processes, database: Database
) -> None:
    await database.rows("ALTER TABLE agent_session_monitors RENAME TO elsewhere")
    try:
        once = processes.start("--once")
        await asyncio.to_thread(once.wait)
    finally:
        await database.rows("ALTER TABLE elsewhere RENAME TO agent_session_monitors")
    assert once.returncode == 1


async def test_sweep_once_without_its_connection_ends_with_an_error(processes: Processes) -> None:
    once = processes.start("--once", LISTEN_DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/x")
    _, said = await asyncio.to_thread(once.communicate, timeout=PATIENCE)
    assert once.returncode == 1
    assert b"CommandError: PostgreSQL" in said
    assert b"Traceback" not in said


async def test_the_watchdog_serves_metrics_on_a_port_of_its_own(
    database: Database, processes: Processes
) -> None:
    port = free_port()
    processes.start(METRICS_PORT=str(port), HOST="127.0.0.1")
    deadline = time.monotonic() + PATIENCE
    figures = ""
    while "sessions_watchdog_leads 1.0" not in figures and time.monotonic() < deadline:
        figures = await asyncio.to_thread(figures_of, port)
        await asyncio.sleep(0.05)
    assert "sessions_watchdog_leads 1.0" in figures
    assert "sessions_watchdog_looks_total" in figures


def figures_of(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""

"""An administrator in a browser and an agent in its own process, with everything between them real."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from agent_sessions import SessionManager
from dashboard.embedded import Servers, silently, valkey
from demo import essays
from tests.support.dashboard import LiveDashboard, own_environment
from tests.support.waiting import until

WORKER = "grader-1"
READABLE = [essay for name in ("7b", "9c", "10d") for essay in essays.essays_of(name)]
CONTEXT = {"class": "7b", "subject": "Deutsch", "grades": {}}


@pytest.fixture(params=["with Valkey", "with Valkey stopped"])
def valkey_or_not(request: pytest.FixtureRequest, servers: Servers, emptied: str) -> Iterator[str]:
    """With Valkey, and with Valkey really stopped for agent and dashboard."""
    if request.param == "with Valkey":
        yield request.param
        return
    servers.children.pop().stop()
    try:
        yield request.param
    finally:
        servers.children.append(valkey.start(settings.DATA_DIR, silently))


@pytest.fixture
def grading(database_url: str, valkey_or_not: str, tmp_path: Path) -> Iterator[Grading]:
    grading = Grading(database_url, tmp_path)
    yield grading
    grading.stop()


class Grading:
    """A demo grader at work on one session in its own process."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.database_url = database_url
        self.session_id = _in_a_loop(self._create)
        environment = own_environment(
            {"DEMO_PACE": "0.05", "DEMO_BEAT": "0.5", "DEMO_DIR": str(folder / "demo")}
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo.grader", WORKER], cwd=settings.BASE_DIR, env=environment
        )

    async def _create(self) -> str:
        async with await SessionManager.connect(self.database_url) as manager:
            context = {**CONTEXT, "essays": READABLE}
            session = await manager.create_session(
                "grader", "lehrerin.schmidt@gs-nord.example", context, {"worker": WORKER}
            )
            return session.session_id

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def checkpoints(self, name: str = "essay_marked") -> list[int]:
        """The checkpoints' numbers in PostgreSQL."""
        with psycopg.connect(self.database_url) as connection:
            rows = connection.execute(
                "SELECT n FROM agent_session_checkpoints WHERE session_id = %s AND name = %s ORDER BY n",
                (self.session_id, name),
            )
            return [n for (n,) in rows]

    def context(self) -> dict[str, Any]:
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(
                "SELECT context FROM agent_sessions WHERE id = %s", (self.session_id,)
            ).fetchone()
        assert row is not None
        return dict(row[0])


def _in_a_loop(work: Callable[[], Any]) -> Any:
    """Runs in another thread, because Playwright's loop runs in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(lambda: asyncio.run(work())).result()


def order(page: Page, verb: str, reason: str = "") -> None:
    """Gives the order in the dialog."""
    # before its scripts have run, a link opens the page instead of the dialog
    page.wait_for_load_state()
    page.locator(f"#session-head a[href*='/{verb}/']").first.evaluate("link => link.click()")
    dialog = page.locator("#dialog")
    expect(dialog).to_be_visible()
    if reason:
        dialog.locator("textarea[name=reason]").fill(reason)
    dialog.locator("button:not([type=button])").last.click()
    expect(dialog).to_be_hidden()


def confirmed(reason: str) -> re.Pattern[str]:
    """The confirmation as shown in the order strip or in the banner."""
    one, other = re.escape(reason), "om Agenten bestätigt"
    return re.compile(f"{one}.*{other}|{other}.*{one}", re.DOTALL)


def test_an_administrator_pauses_resumes_rolls_back_and_fails_a_working_agent(
    page: Page, grading: Grading, live_dashboard: LiveDashboard, log_in: Any, operator: Any
) -> None:
    log_in(page.context, operator)
    until(lambda: len(grading.checkpoints()) >= 3)
    page.goto(f"{live_dashboard}/sessions/{grading.session_id}/")

    order(page, "pauses", "kurz ansehen")
    expect(page.locator("main")).to_contain_text(confirmed("kurz ansehen"))
    expect(page.locator("main")).to_contain_text("olga")
    stopped_at = grading.checkpoints()
    until_beaten_twice(grading)
    assert grading.checkpoints() == stopped_at, "a paused agent goes on"

    order(page, "resumes")
    until(lambda: len(grading.checkpoints()) > len(stopped_at) + 2)

    target = grading.checkpoints()[1]
    page.goto(f"{live_dashboard}/sessions/{grading.session_id}/rollbacks/new/?checkpoint={target}")
    page.locator("textarea[name=reason]").fill("falscher Maßstab")
    page.locator("form[data-order-form] button:not([type=button])").last.click()
    expect(page.locator("main")).to_contain_text(confirmed("falscher Maßstab"))
    mark = grading.checkpoints("session_rolled_back")[-1]
    until(lambda: [n for n in grading.checkpoints() if n > mark])
    first_again = next(n for n in grading.checkpoints() if n > mark)
    assert grades_at(grading, first_again) == 3, (
        "two essays were marked at the checkpoint: this is the third"
    )

    order(page, "failures", "genug gesehen")
    expect(page.locator("main")).to_contain_text(confirmed("genug gesehen"))
    ended_with = grading.checkpoints()
    until_next_look(grading)
    assert grading.checkpoints() == ended_with
    expect(page.locator("#session-head")).to_have_attribute("data-state", "failed")


def grades_at(grading: Grading, n: int) -> int:
    """The number of essays in the context of this checkpoint."""
    with psycopg.connect(grading.database_url) as connection:
        row = connection.execute(
            """
            SELECT coalesce(p.context, s.context)->'grades'
            FROM agent_session_checkpoints c JOIN agent_sessions s ON s.id = c.session_id
            LEFT JOIN agent_session_contexts p
                ON p.session_id = c.session_id AND p.context_version = c.context_version
            WHERE c.session_id = %s AND c.n = %s
            """,
            (grading.session_id, n),
        ).fetchone()
    assert row is not None
    return len(row[0])


def until_beaten_twice(grading: Grading) -> None:
    """Waits for two more heartbeats in PostgreSQL: the paused agent is alive."""

    def beat() -> object:
        with psycopg.connect(grading.database_url) as connection:
            row = connection.execute(
                "SELECT last_heartbeat FROM agent_sessions WHERE id = %s", (grading.session_id,)
            ).fetchone()
        return row and row[0]

    for _ in range(2):
        last = beat()
        until(lambda: beat() != last)  # noqa: B023


def until_next_look(grading: Grading) -> None:
    """Waits until the process works on another session, so that it has left this one."""
    other = _in_a_loop(grading._create)

    def taken() -> object:
        with psycopg.connect(grading.database_url) as connection:
            return connection.execute(
                "SELECT 1 FROM agent_session_checkpoints WHERE session_id = %s AND name = 'essay_marked'",
                (other,),
            ).fetchone()

    until(taken)


def test_what_psql_writes_shows_within_a_second(
    page: Page, grading: Grading, live_dashboard: LiveDashboard, log_in: Any, viewer: Any
) -> None:
    log_in(page.context, viewer)
    page.goto(f"{live_dashboard}/")
    row = page.locator(f"#row-{grading.session_id}")
    expect(row).to_have_attribute("data-state", "active")
    expect(page.locator("#connection")).to_have_attribute("data-status", "live")
    with psycopg.connect(grading.database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE agent_sessions SET state = 'paused' WHERE id = %s", (grading.session_id,)
        )
    expect(row).to_have_attribute("data-state", "paused")

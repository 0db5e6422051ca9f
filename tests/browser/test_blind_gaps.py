"""While a page receives no heartbeats no row becomes late or lost; it says since when, later from when to when."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from agent_sessions import AgentSession
from dashboard.embedded import Servers, valkey
from dashboard.embedded.data_folder import prepare
from tests.support.dashboard import LiveDashboard, session_cookie

LATE = 5  # seconds
RULES = {"default": {"interval": 1, "late": LATE, "lost": 60, "no_progress": 600, "fail_after": 3600}}  # fmt: skip


@pytest.fixture
def own_valkey() -> Iterator[Servers]:
    """A Valkey of the test that can be stopped."""
    folder = Path(tempfile.mkdtemp(prefix="vk-"))
    folder.chmod(0o711)
    prepare(folder)
    servers = Servers(folder, database=False)
    servers.start()
    yield servers
    servers.stop()
    shutil.rmtree(folder)


@pytest.fixture
def page_of(
    start_dashboard: Callable[..., LiveDashboard],
    own_valkey: Servers,
    viewer: Any,
    browser: Browser,
) -> Iterator[Callable[[str], Page]]:
    env = {"VALKEY_URL": valkey.url(own_valkey.data_dir), "HEARTBEAT_RULES": json.dumps(RULES)}
    live = start_dashboard(**env)
    context = browser.new_context(locale="de-DE", timezone_id="Europe/Berlin")
    context.add_cookies([session_cookie(live.url, viewer)])  # type: ignore[list-item]

    def open_page(path: str) -> Page:
        page = context.new_page()
        page.goto(f"{live.url}{path}")
        expect(page.locator("#connection")).to_have_attribute("data-status", "live")
        return page

    yield open_page
    context.close()


def test_without_received_heartbeats_no_row_becomes_late_and_the_page_says_since_when(
    page_of: Callable[[str], Page], own_valkey: Servers, make_session: Callable[..., AgentSession]
) -> None:
    page = page_of("/")
    session = make_session()
    page.reload()
    row = page.locator(f"#row-{session.session_id}")
    expect(row).to_have_attribute("data-health", "on_time")
    own_valkey.stop()
    said = page.locator("#sight .notice")
    expect(said).to_contain_text("empfängt diese Seite keine Lebenszeichen")
    expect(said).to_contain_text(re.compile(r"Seit \d\d:\d\d"))
    page.wait_for_timeout(LATE * 1000)  # longer than the limit for late
    expect(row).to_have_attribute("data-health", "on_time")
    own_valkey.start()
    expect(said).to_contain_text(re.compile(r"Von \d\d:\d\d bis \d\d:\d\d"))
    assert row.get_attribute("data-health") == "on_time"
    expect(row).to_have_attribute("data-health", "late")


def test_a_wall_says_it_too_and_keeps_it_when_its_rows_change(
    page_of: Callable[[str], Page], own_valkey: Servers, make_session: Callable[..., AgentSession]
) -> None:
    page = page_of("/wall/")
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    own_valkey.stop()
    said = page.locator("#sight .notice")
    expect(said).to_contain_text("empfängt diese Seite keine Lebenszeichen")
    session = make_session()
    expect(page.locator(f"#row-{session.session_id}")).to_be_visible()
    expect(said).to_be_visible()
    own_valkey.start()
    expect(said).to_contain_text(re.compile(r"Von \d\d:\d\d bis \d\d:\d\d"))
    expect(page.locator("#connection")).to_have_attribute("data-status", "live")
    assert mistakes == []


def test_a_wall_that_was_cut_off_says_it_and_is_live_again(page_of: Callable[[str], Page]) -> None:
    page = page_of("/wall/")
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('pagehide'))")
    chip, said = page.locator("#connection"), page.locator("#sight .notice")
    expect(said).to_contain_text("empfängt diese Seite keine Lebenszeichen")
    expect(chip).not_to_have_attribute("data-status", "live")
    page.context.set_offline(False)
    expect(said).to_contain_text(re.compile(r"Von \d\d:\d\d bis \d\d:\d\d"))
    expect(chip).to_have_attribute("data-status", "live")
    assert mistakes == []

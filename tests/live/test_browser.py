"""static/js/core/feed.js in a real browser, on the real list, over an unreliable connection."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.dashboard import LiveDashboard

from . import writers

# Loses and reorders frames; `sockets` lets a test cut the connection.
UNTRUSTWORTHY = """
(() => {
  let seed = 7;
  const chance = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  window.sockets = [];
  window.wire = { lost: 0, overtaken: 0, loss: 0 };
  window.WebSocket = class extends WebSocket {
    constructor(...address) { super(...address); window.sockets.push(this); this.held = []; }
    set onmessage(handler) {
      super.onmessage = (event) => {
        if (chance() < window.wire.loss) return void (window.wire.lost += 1);
        this.held.push(event);
        if (window.wire.loss && chance() < 0.4) return;
        if (this.held.length > 1) { this.held.reverse(); window.wire.overtaken += 1; }
        for (const frame of this.held.splice(0)) handler(frame);
      };
    }
  };
})();
"""


@pytest.fixture
def problems(page: Page) -> list[str]:
    """Errors in the console; must stay empty."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    return found


@pytest.fixture
def open_list(
    live_dashboard: LiveDashboard,
    log_in: Callable[[Any, Any], None],
    viewer: Any,
    context: BrowserContext,
    page: Page,
) -> Callable[[], None]:
    def open_list() -> None:
        log_in(context, viewer)
        page.add_init_script(UNTRUSTWORTHY)
        page.goto(live_dashboard.url)
        expect(page.locator("#connection")).to_have_attribute("data-status", "live")

    return open_list


def shown(page: Page) -> dict[str, int]:
    rows = "rows => Object.fromEntries(rows.map(r => [r.dataset.id, +r.dataset.version]))"
    return dict(page.locator("#rows > .row").evaluate_all(rows))


def test_psql_shows_in_an_open_browser_in_under_a_second(
    open_list: Callable[[], None], page: Page, problems: list[str], database_url: str
) -> None:
    (session_id,) = writers.create(database_url)
    open_list()
    writers.pause(database_url, session_id)
    paused = page.locator(f"#row-{session_id}[data-state=paused]")
    expect(paused).to_be_visible()
    assert not problems


def test_five_percent_lost_and_the_rest_overtaking_ends_equal_to_the_database(
    open_list: Callable[[], None], page: Page, problems: list[str], database_url: str
) -> None:
    ids = writers.create(database_url, 20)
    open_list()
    page.evaluate("wire.loss = 0.05")
    with ThreadPoolExecutor(16) as pool:
        writing = [
            pool.submit(writers.write_at_random, database_url, ids, 15, n) for n in range(16)
        ]
        while not all(one.done() for one in writing):
            page.wait_for_timeout(50)  # processes the browser's events
    truth = writers.versions(database_url, ids)
    page.wait_for_function(
        "truth => Object.entries(truth).every(([id, version]) =>"
        " +document.getElementById(`row-${id}`).dataset.version === version)",
        arg=truth,
    )
    assert page.evaluate("wire.lost + wire.overtaken") > 0
    page.reload()
    assert shown(page) == truth
    assert not problems


def test_a_cut_connection_is_reported_and_recovers(
    open_list: Callable[[], None], page: Page, problems: list[str], database_url: str
) -> None:
    (session_id,) = writers.create(database_url)
    open_list()
    page.context.set_offline(True)
    page.evaluate("sockets.at(-1).close()")
    expect(page.locator("#connection")).to_have_attribute("data-status", "reconnecting")
    writers.pause(database_url, session_id)
    expect(page.locator("#connection")).to_have_attribute("data-status", "offline")
    page.context.set_offline(False)
    expect(page.locator("#connection")).to_have_attribute("data-status", "live")
    expect(page.locator(f"#row-{session_id}[data-state=paused]")).to_be_visible()
    assert not [problem for problem in problems if "ERR_INTERNET_DISCONNECTED" not in problem]


def test_logging_out_elsewhere_leads_to_the_login_without_a_complaint(
    open_list: Callable[[], None], page: Page, problems: list[str], database_url: str
) -> None:
    writers.create(database_url)
    open_list()
    writers.sql(database_url, "DELETE FROM django_session")
    page.wait_for_url("**/login/?next=*")
    assert not problems

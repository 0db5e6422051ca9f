"""After a restore no page shows lost data: versions are compared within one timeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from sessions_app.live.hub import Hub
from sessions_app.live.sockets import close_codes
from tests.support.dashboard import LiveDashboard

from . import writers
from .conftest import created, heard, until
from .screen import Screen

RESTORE = """
SET session_replication_role = replica;
UPDATE agent_sessions SET version = 1, state = 'active' WHERE id = '{id}';
SET session_replication_role = origin;
"""
NEW_TIMELINE = "SELECT agent_session_new_timeline()"


def restore(database_url: str, session_id: str) -> None:
    """Restores old rows without notifications."""
    writers.sql(database_url, RESTORE.format(id=session_id))
    writers.sql(database_url, NEW_TIMELINE)


async def lost(hub: Hub, database_url: str) -> tuple[str, Screen]:
    """A page that shows version 2."""
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    writers.pause(database_url, session_id)
    await heard(hub, session_id, 2)
    await hub.tick()
    await screen.settled()
    assert screen.rows[session_id]["version"] == 2
    return session_id, screen


@pytest.mark.django_db(transaction=True)
async def test_on_another_timeline_every_page_is_closed_and_is_told_it_on_return(
    hub: Hub, database_url: str
) -> None:
    session_id, screen = await lost(hub, database_url)
    before = screen.last("timeline")
    await hub.reconciliation.compare()
    assert [screen.closed] == [None]
    restore(database_url, session_id)
    await hub.reconciliation.compare()
    await screen.settled()
    assert screen.closed == (close_codes.RESTORED, close_codes.REASONS[close_codes.RESTORED])
    again = Screen(hub)
    await again.shows({session_id: 2})
    assert again.last("timeline") not in (None, before)


@pytest.mark.django_db(transaction=True)
async def test_a_hub_that_lost_its_connection_looks_at_once(hub: Hub, database_url: str) -> None:
    session_id, screen = await lost(hub, database_url)
    restore(database_url, session_id)
    writers.sql(database_url, f"SELECT pg_terminate_backend({hub.listener.backend_pid})")
    await until(lambda: screen.closed is not None, hub.tick)
    assert screen.closed == (close_codes.RESTORED, close_codes.REASONS[close_codes.RESTORED])


@pytest.mark.django_db(transaction=True)
async def test_a_page_that_comes_later_with_more_than_there_is_loads_anew(
    hub: Hub, database_url: str
) -> None:
    """Its web process may have been restarted, and know no other timeline."""
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows({session_id: 1})
    assert screen.last("reload") is None
    await screen.shows({session_id: 5})
    assert screen.last("reload") is True


@pytest.mark.django_db(transaction=True)
async def test_after_a_restore_older_versions_are_told_again(hub: Hub, database_url: str) -> None:
    session_id, _ = await lost(hub, database_url)
    restore(database_url, session_id)
    await hub.reconciliation.compare()
    screen = Screen(hub)
    await screen.shows({session_id: 1})
    writers.pause(database_url, session_id)
    await heard(hub, session_id, 2)
    await hub.tick()
    await screen.settled()
    assert screen.rows[session_id]["version"] == 2


def test_an_open_list_and_an_open_session_show_what_was_restored(
    live_dashboard: LiveDashboard,
    log_in: Callable[[Any, Any], None],
    viewer: Any,
    context: BrowserContext,
    database_url: str,
) -> None:
    (session_id,) = writers.create(database_url)
    log_in(context, viewer)
    pages: list[Page] = [context.new_page(), context.new_page()]
    pages[0].goto(live_dashboard.url)
    pages[1].goto(f"{live_dashboard.url}/sessions/{session_id}/")
    for page in pages:
        expect(page.locator("#connection")).to_have_attribute("data-status", "live")
    writers.pause(database_url, session_id)
    expect(pages[0].locator(f"#row-{session_id}[data-version='2']")).to_be_visible()
    expect(pages[1].locator("[data-version='2']").first).to_be_attached()
    restore(database_url, session_id)
    expect(pages[0].locator(f"#row-{session_id}[data-version='1']")).to_be_visible()
    expect(pages[1].locator("[data-version='1']").first).to_be_attached()

"""A change reaches every page that shows it, whoever wrote it, and no other page."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
from django.utils.translation import get_language
from redis.asyncio import Redis

from sessions_app.live.hub import Hub
from sessions_app.live.limits import LIMITS
from tests.support.keys import KEYS
from tests.support.waiting import HANGS

from . import writers
from .conftest import Clock, created, heard, time_passes, until
from .screen import Screen

pytestmark = pytest.mark.django_db(transaction=True)


async def paused(hub: Hub, database_url: str, session_id: str) -> None:
    version = writers.versions(database_url, [session_id])[session_id]
    writers.pause(database_url, session_id)
    await heard(hub, session_id, version + 1)
    await hub.tick()


async def test_a_pause_in_psql_is_on_the_page_after_the_next_tick(
    hub: Hub, database_url: str
) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    await paused(hub, database_url, session_id)
    await screen.settled()
    row = screen.rows[session_id]
    assert row["version"] == 2
    assert 'data-state="paused"' in row["html"]
    assert row["matches"] is True


async def test_a_row_that_left_the_filter_says_so(hub: Hub, database_url: str) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id], query="state=active")
    await paused(hub, database_url, session_id)
    await screen.settled()
    assert screen.rows[session_id]["matches"] is False


async def test_a_page_is_not_told_of_rows_it_does_not_show(hub: Hub, database_url: str) -> None:
    shown, other = await created(hub, database_url, 2)
    screen = Screen(hub)
    await screen.shows([shown])
    await paused(hub, database_url, other)
    await screen.settled()
    assert other not in screen.rows


async def test_a_row_is_drawn_once_per_language_however_many_pages_show_it(
    hub: Hub, database_url: str
) -> None:
    (session_id,) = await created(hub, database_url)
    screens = [Screen(hub) for _ in range(6)]
    for n, screen in enumerate(screens):
        await screen.shows([session_id], language="de" if n % 2 else "en")
    languages = []

    def render(parts: object, row: object) -> str:
        languages.append(get_language())
        return "<tr>"

    with patch("sessions_app.live.state.rendered_rows.fill_in", side_effect=render):
        await paused(hub, database_url, session_id)
    assert sorted(languages) == ["de", "en"]
    for screen in screens:
        await screen.settled()
        assert screen.rows[session_id]["html"] == "<tr>"


async def test_a_session_page_gets_the_version_and_draws_nothing(
    hub: Hub, database_url: str
) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    screen.says({"type": "hello", "page": "session", "id": session_id, "version": 1})
    await hub.tick()
    await paused(hub, database_url, session_id)
    await screen.settled()
    assert screen.last("session")["version"] == 2
    assert not screen.rows


async def test_a_session_deleted_from_the_table_is_gone(hub: Hub, database_url: str) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    writers.sql(database_url, "DELETE FROM agent_sessions WHERE id = %s", session_id)
    await heard(hub, session_id, 2)
    await hub.tick()
    await screen.settled()
    assert screen.rows[session_id] == {"version": 2, "html": None, "matches": False, "gone": True}


async def test_heartbeats_are_sent_without_a_query(
    hub: Hub, database_url: str, redis_client: Redis
) -> None:
    shown, other = await created(hub, database_url, 2)
    screen = Screen(hub)
    await screen.shows([shown])
    beat = screen.beats[shown] + 1
    await redis_client.publish(KEYS.beats, json.dumps([[shown, beat], [other, beat]]))
    with patch.object(hub._reader, "read", side_effect=AssertionError("a beat was read")):
        hub._facets.is_due = lambda: False  # type: ignore[method-assign]
        await until(lambda: screen.beats[shown] == beat, hub.tick)
    assert other not in screen.beats


async def test_an_older_heartbeat_is_ignored(
    hub: Hub, database_url: str, redis_client: Redis
) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    beat = screen.beats[session_id]
    await redis_client.publish(KEYS.beats, json.dumps([[session_id, beat - 5000]]))
    await redis_client.publish(KEYS.beats, json.dumps([[session_id, beat + 1]]))
    await until(lambda: screen.beats[session_id] != beat, hub.tick)
    assert screen.beats[session_id] == beat + 1


async def test_nonsense_from_valkey_and_notify_is_dropped(
    hub: Hub, database_url: str, redis_client: Redis
) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    for nonsense in ("", "{}", "[[1]]", '[["x", "y"]]', "[" * 5000, f'[["{session_id}", NaN]]'):
        await redis_client.publish(KEYS.beats, nonsense)
        writers.sql(database_url, "SELECT pg_notify('agent_sessions', %s)", nonsense[:7000])
    writers.sql(database_url, """SELECT pg_notify('agent_sessions', '[["no uuid", 3]]')""")
    await paused(hub, database_url, session_id)
    await screen.settled()
    assert screen.rows[session_id]["version"] == 2
    assert hub.beats.live


async def test_one_row_that_cannot_be_drawn_does_not_cost_the_others(
    hub: Hub, database_url: str
) -> None:
    broken, whole = await created(hub, database_url, 2)
    screen = Screen(hub)
    await screen.shows([broken, whole])

    def render(parts: object, row: object) -> str:
        if str(row.id) == broken:  # type: ignore[attr-defined]
            raise ValueError("nonsense")
        return "<tr>"

    with patch("sessions_app.live.state.rendered_rows.fill_in", side_effect=render):
        writers.sql(database_url, "UPDATE agent_sessions SET state = 'paused'")
        await heard(hub, whole, 2)
        await hub.tick()
    await screen.settled()
    assert screen.rows[whole]["html"] == "<tr>"
    assert screen.rows[broken]["html"] is None


async def test_counts_are_sent_when_they_differ(
    clocked: Hub, clock: Clock, database_url: str
) -> None:
    (session_id,) = await created(clocked, database_url)
    screen = Screen(clocked)
    await screen.shows([session_id])
    assert screen.last("counts")["states"]["active"] == 1
    time_passes(clocked, clock, 2)
    await paused(clocked, database_url, session_id)
    await screen.settled()
    assert screen.last("counts")["states"]["active"] == 0
    assert screen.last("counts")["states"]["pausing"] == 1
    sent = len(screen.frames)
    time_passes(clocked, clock, 6)
    await clocked.tick()
    await screen.settled()
    assert len(screen.frames) == sent


async def test_what_psql_changed_is_announced_to_the_agents(
    start_hub: object, database_url: str
) -> None:
    announced: list[str] = []
    hub: Hub = await start_hub(announce=announced.extend)  # type: ignore[operator]
    (session_id,) = await created(hub, database_url)
    await until(lambda: session_id in announced, hub.tick)


async def test_beats_received_during_an_early_tick_are_sent_one_tick_later(
    start_hub: Callable[..., Awaitable[Hub]],
) -> None:
    """A tick that a change caused early counts: the next one follows a full interval later."""
    hub = await start_hub(limits=replace(LIMITS, tick=60))
    async with asyncio.timeout(HANGS):
        assert not await hub._is_woken(time.monotonic() - 1)
        hub._wake.set()
        assert await hub._is_woken(time.monotonic() + 2 * HANGS)

"""A reconnecting page sends what it shows and gets what is newer, as at its start."""

from __future__ import annotations

import pytest

from sessions_app.live import metrics
from sessions_app.live.hub import Hub

from . import writers
from .conftest import created, heard, until
from .screen import Screen

pytestmark = pytest.mark.django_db(transaction=True)


async def test_only_what_is_newer_is_sent(hub: Hub, database_url: str) -> None:
    old, same, gone = await created(hub, database_url, 3)
    writers.pause(database_url, old)
    writers.sql(database_url, "DELETE FROM agent_sessions WHERE id = %s", gone)
    screen = Screen(hub)
    await screen.shows({old: 1, same: 1, gone: 1}, seq=7)
    assert screen.rows.keys() == {old, gone}
    assert screen.rows[old]["version"] == 2
    assert screen.rows[gone]["gone"] is True
    assert screen.last("hello") == 7
    assert screen.beats.keys() == {old, same}


async def test_a_page_of_a_session_that_is_gone_is_told(hub: Hub, database_url: str) -> None:
    (session_id,) = await created(hub, database_url)
    writers.sql(database_url, "DELETE FROM agent_sessions WHERE id = %s", session_id)
    screen = Screen(hub)
    screen.says({"type": "hello", "page": "session", "id": session_id, "version": 1})
    await hub.tick()
    await screen.settled()
    assert screen.last("session") == {"id": session_id, "version": 2, "gone": True}


async def test_much_news_comes_in_bounded_frames_and_says_when_it_is_complete(
    hub: Hub, database_url: str
) -> None:
    ids = await created(hub, database_url, 60)
    writers.sql(database_url, "UPDATE agent_sessions SET state = 'paused'")
    screen = Screen(hub)
    await screen.shows(ids, seq=1)
    assert screen.rows.keys() == set(ids)
    complete = next(n for n, frame in enumerate(screen.frames) if "hello" in frame)
    assert complete > 1
    assert all(frame["more"] for frame in screen.frames[:complete])
    assert "more" not in screen.frames[complete]


async def test_a_change_between_subscribing_and_reading_is_not_lost(
    hub: Hub, database_url: str
) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    screen.says({"type": "hello", "page": "list", "rows": {session_id: 1}})
    writers.pause(database_url, session_id)
    await heard(hub, session_id, 2)
    await hub.tick()
    await screen.settled()
    assert screen.rows[session_id]["version"] == 2


async def test_a_page_that_turns_to_other_rows_is_told_of_those(
    hub: Hub, database_url: str
) -> None:
    first, second = await created(hub, database_url, 2)
    screen = Screen(hub)
    await screen.shows([first])
    await screen.shows([second])
    writers.sql(database_url, "UPDATE agent_sessions SET state = 'paused'")
    await heard(hub, second, 2)
    await hub.tick()
    await screen.settled()
    assert screen.rows.keys() == {second}
    assert len(hub.subscriptions.subscriptions) == 1
    hub.gateway.leave(screen.socket)
    assert not hub.subscriptions.subscriptions
    assert not hub.subscriptions.shown


async def test_a_lost_notification_heals_and_is_counted(clocked: Hub, database_url: str) -> None:
    (session_id,) = await created(clocked, database_url)
    screen = Screen(clocked)
    await screen.shows([session_id])
    writers.pause(database_url, session_id)
    await heard(clocked, session_id, 2)
    clocked.buffer.ack(clocked.buffer.take())  # received, then lost
    before = metrics.HEALS._value.get()
    await clocked.reconciliation.compare()
    await clocked.tick()
    await screen.settled()
    assert screen.rows[session_id]["version"] == 2
    await clocked.reconciliation.compare()
    assert metrics.HEALS._value.get() == before + 1


async def test_what_an_old_agent_beats_into_the_table_is_found(
    clocked: Hub, database_url: str
) -> None:
    (session_id,) = await created(clocked, database_url)
    writers.sql(database_url, "UPDATE agent_sessions SET last_heartbeat = now() - interval '60 s'")
    screen = Screen(clocked)
    await screen.shows([session_id])
    before = screen.beats[session_id]
    writers.sql(database_url, "UPDATE agent_sessions SET last_heartbeat = now()")
    await clocked.reconciliation.compare()
    await until(lambda: screen.beats[session_id] > before, clocked.tick)

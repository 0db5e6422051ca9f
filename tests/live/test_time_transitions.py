"""Sessions that enter or leave a list or a search without a new version, by time alone."""

from __future__ import annotations

import time

import pytest

from sessions_app.live.hub import Hub

from . import writers
from .conftest import Clock, created, heard, time_passes
from .screen import Screen

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock() -> Clock:
    """Starts at the real time, because the database's clock decides when a session entered."""
    clock = Clock()
    clock.wall = time.time()
    return clock


def silent(database_url: str, session_id: str, seconds: float) -> None:
    """Stores a heartbeat as the flush does: without a new version or a notification."""
    writers.sql(
        database_url,
        "UPDATE agent_sessions SET last_heartbeat = now() - %s * interval '1 second' WHERE id = %s",
        seconds,
        session_id,
    )


async def drifts(hub: Hub, screen: Screen) -> None:
    await hub.time_transitions.push()
    await screen.settled()


async def test_a_session_that_beats_again_leaves_the_filter_late_and_comes_back(
    clocked: Hub, database_url: str
) -> None:
    (session_id,) = await created(clocked, database_url)
    silent(database_url, session_id, 60)
    screen = Screen(clocked)
    await screen.shows([session_id], query="state=late")
    await drifts(clocked, screen)
    assert screen.last("members") is None
    silent(database_url, session_id, 1)
    await drifts(clocked, screen)
    assert screen.last("members") == {session_id: False}
    frames = len(screen.frames)
    await drifts(clocked, screen)
    assert len(screen.frames) == frames, "it is said once"
    silent(database_url, session_id, 60)
    await drifts(clocked, screen)
    assert screen.last("members") == {session_id: True}


async def test_a_session_that_becomes_late_is_new_until_it_beats_again(
    clocked: Hub, clock: Clock, database_url: str
) -> None:
    on_time, long_late, other = await created(clocked, database_url, 3)
    silent(database_url, long_late, 100)
    screen, everything = Screen(clocked), Screen(clocked)
    clock.wall = time.time()
    since = int(clock.wall * 1000)
    await screen.shows([], query="state=late", since=since)
    await everything.shows([on_time, other], query="state=active", since=since)
    await drifts(clocked, screen)
    assert screen.last("new") is None, "who was late before the page was drawn is on another page"
    silent(database_url, other, 30)
    await drifts(clocked, screen)
    assert screen.last("new") == 1
    silent(database_url, other, 0)
    await drifts(clocked, screen)
    assert screen.last("new") == 0
    assert everything.last("members") is None


async def test_a_lost_session_leaves_the_filter_late(clocked: Hub, database_url: str) -> None:
    (session_id,) = await created(clocked, database_url)
    silent(database_url, session_id, 60)
    late, both = Screen(clocked), Screen(clocked)
    await late.shows([session_id], query="state=late")
    await both.shows([session_id], query="state=late&state=lost")
    silent(database_url, session_id, 130)
    await drifts(clocked, late)
    await both.settled()
    assert late.last("members") == {session_id: False}
    assert both.last("members") is None


async def test_without_received_heartbeats_no_session_becomes_late(
    clocked: Hub, database_url: str
) -> None:
    (session_id,) = await created(clocked, database_url)
    screen = Screen(clocked)
    await screen.shows([], query="state=late", since=int(time.time() * 1000) - 60_000)
    silent(database_url, session_id, 31)
    clocked.beats.live = False
    await drifts(clocked, screen)
    assert screen.last("new") is None
    clocked.beats.live = True
    await drifts(clocked, screen)
    assert screen.last("new") == 1


async def test_a_session_that_reaches_the_age_of_the_filter_is_new(
    clocked: Hub, database_url: str
) -> None:
    (session_id,) = await created(clocked, database_url)
    screen = Screen(clocked)
    await screen.shows([], query="q=older:1h", since=int((time.time() - 10) * 1000))
    writers.sql(
        database_url,
        "UPDATE agent_sessions SET created_at = now() - interval '1 hour 2 seconds' WHERE id = %s",
        session_id,
    )
    await drifts(clocked, screen)
    assert screen.last("new") == 1


async def test_a_search_inside_the_context_announces_who_comes_to_match(
    clocked: Hub, clock: Clock, database_url: str
) -> None:
    one, other = await created(clocked, database_url, 2)
    screen, elsewhere = Screen(clocked), Screen(clocked)
    since = int(time.time() * 1000) - 1000
    await screen.shows([], query="q=context.class:7b", since=since)
    await elsewhere.shows([], query="q=context.school:west", since=since)
    for session_id, context in ((one, '{"class": "7b"}'), (other, '{"class": "9c"}')):
        writers.sql(
            database_url,
            "UPDATE agent_sessions SET context = %s WHERE id = %s",
            context,
            session_id,
        )
        await heard(clocked, session_id, 2)
    time_passes(clocked, clock, 1)
    await clocked.tick()
    await screen.settled()
    assert screen.last("new") == 1
    assert elsewhere.last("new") is None


async def test_another_value_on_another_page_is_no_newcomer_of_a_search(
    clocked: Hub, clock: Clock, database_url: str
) -> None:
    (session_id,) = await created(clocked, database_url)
    change = "UPDATE agent_sessions SET context = %s WHERE id = %s"
    writers.sql(database_url, change, '{"class": "7b"}', session_id)
    await heard(clocked, session_id, 2)
    time_passes(clocked, clock, 1)
    await clocked.tick()
    screen = Screen(clocked)
    await screen.shows([], query="q=context.class:7b", since=int(clock.wall * 1000))
    writers.sql(database_url, change, '{"class": "7b", "step": 1}', session_id)
    await heard(clocked, session_id, 3)
    time_passes(clocked, clock, 1)
    await clocked.tick()
    await screen.settled()
    assert screen.last("new") is None

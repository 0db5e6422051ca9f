"""The count of new sessions: those that entered the filter since the page was rendered."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from django.db import OperationalError

from sessions_app.live.hub import Hub

from . import writers
from .conftest import Clock, created, heard, time_passes
from .screen import Screen

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock() -> Clock:
    """Starts at the real time, because the database's clock decides when a session entered."""
    import time

    clock = Clock()
    clock.wall = time.time()
    return clock


async def test_a_created_session_that_matches_is_new(clocked: Hub, database_url: str) -> None:
    (shown,) = await created(clocked, database_url)
    graders, tutors = Screen(clocked), Screen(clocked)
    await graders.shows([shown], query="type=grader")
    await tutors.shows([shown], query="type=tutor")
    (newcomer,) = writers.create(database_url)
    await heard(clocked, newcomer, 1)
    await clocked.tick()
    await graders.settled()
    assert graders.last("new") == 1
    assert tutors.last("new") is None


async def test_pages_of_a_session_get_its_change_though_arrivals_cannot_be_read(
    clocked: Hub, clock: Clock, database_url: str
) -> None:
    (shown,) = await created(clocked, database_url)
    screen, empty = Screen(clocked), Screen(clocked)
    await screen.shows([shown])
    await empty.shows([], query="state=pausing")
    time_passes(clocked, clock, 1)
    writers.sql(database_url, "UPDATE agent_sessions SET state = 'paused' WHERE id = %s", shown)
    await heard(clocked, shown, 2)
    with patch(
        "sessions_app.live.push.broadcast.find_arrivals", side_effect=OperationalError("gone")
    ):
        await clocked.tick()
    await screen.settled()
    assert screen.rows[shown]["version"] == 2
    assert empty.last("new") is None
    time_passes(clocked, clock, 1)
    await clocked.tick()
    await empty.settled()
    assert empty.last("new") == 1


async def test_a_checkpoint_on_the_next_page_is_not_new(
    clocked: Hub, clock: Clock, database_url: str
) -> None:
    shown, on_next_page = await created(clocked, database_url, 2)
    screen = Screen(clocked)
    await screen.shows([shown])
    writers.sql(
        database_url,
        """UPDATE agent_sessions SET context = '{"a": 1}' WHERE id = %s""",
        on_next_page,
    )
    await heard(clocked, on_next_page, 2)
    time_passes(clocked, clock, 1)
    await clocked.tick()
    await screen.settled()
    assert screen.last("new") is None


async def test_a_session_that_left_the_filter_again_is_not_counted(
    clocked: Hub, clock: Clock, database_url: str
) -> None:
    shown, other = await created(clocked, database_url, 2)
    screen = Screen(clocked)
    await screen.shows([shown], query="state=pausing")
    for state, version, expected in (("paused", 2, 1), ("active", 3, 0)):
        writers.sql(
            database_url, "UPDATE agent_sessions SET state = %s WHERE id = %s", state, other
        )
        await heard(clocked, other, version)
        time_passes(clocked, clock, 1)
        await clocked.tick()
        await screen.settled()
        assert screen.last("new") == expected


async def test_what_came_while_the_page_was_away_is_counted_on_its_return(
    clocked: Hub, clock: Clock, database_url: str
) -> None:
    (shown,) = await created(clocked, database_url)
    (before,) = writers.sql(database_url, "SELECT extract(epoch FROM clock_timestamp()) * 1000")[0]
    await created(clocked, database_url, 3)
    time_passes(clocked, clock, 5)
    screen = Screen(clocked)
    await screen.shows([shown], since=int(before))
    assert screen.last("new") == 3

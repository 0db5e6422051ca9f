"""Which sessions are failed for silence."""

from __future__ import annotations

import time

import pytest

from agent_sessions import SessionManager, SessionState
from sessions_app.watchdog import detector
from tests.support.keys import KEYS
from tests.support.waiting import HANGS

from .conftest import HOUR, Clock, Database, Make, Watched


async def test_a_session_silent_beyond_the_limit_is_failed_with_the_reason(
    watched: Watched, manager: SessionManager, database: Database, clock: Clock
):
    session = await manager.create_session("grader", "u")
    await database.silent_for(session.session_id, 3700)
    await watched.watch_for(150)
    failed = await manager.read(session.session_id)
    assert failed is not None
    assert failed.state == SessionState.FAILED
    assert failed.context["failure_reason"] == "heartbeat_timeout"
    last = failed.get_last_checkpoint()
    assert last is not None
    assert last.name == "session_failed"
    assert last.data["error"] == "heartbeat_timeout"
    entry = await database.rows(
        "SELECT kind, actor, source, reason, from_state, to_state FROM agent_session_history"
        " WHERE session_id = %s ORDER BY version DESC LIMIT 1", session.session_id,
    )  # fmt: skip
    assert entry == [("order", "sweeper", "sweeper", "heartbeat_timeout", "active", "failed")]


async def test_the_agent_of_a_failed_session_learns_of_it(
    watched: Watched, manager: SessionManager, database: Database, redis_client
):
    session = await manager.create_session("grader", "u")
    async with redis_client.pubsub() as pubsub:
        await pubsub.subscribe(KEYS.changes(session.session_id))
        assert await pubsub.get_message(timeout=HANGS)
        await database.silent_for(session.session_id, 3700)
        await watched.watch_for(150)
        message = await pubsub.get_message(timeout=HANGS)
    assert b'"failed"' in message["data"]


async def test_a_lost_session_below_the_limit_is_not_failed(
    watched: Watched, manager: SessionManager, database: Database
):
    session = await manager.create_session("grader", "u")
    await database.silent_for(session.session_id, 3300)
    await watched.watch_for(240)
    assert await database.state_of(session.session_id) == "active"
    await watched.watch_for(120)
    assert await database.state_of(session.session_id) == "failed"


async def test_each_agent_type_has_its_own_limit(
    watched: Watched, manager: SessionManager, database: Database
):
    tutor = await manager.create_session("tutor", "u")
    grader = await manager.create_session("grader", "u")
    for session in (tutor, grader):
        await database.silent_for(session.session_id, 400)
    await watched.watch_for(90)
    assert await database.state_of(tutor.session_id) == "failed"
    assert await database.state_of(grader.session_id) == "active"


async def test_a_newer_beat_in_valkey_counts(
    watched: Watched, manager: SessionManager, database: Database, redis_client
):
    session = await manager.create_session("grader", "u")
    await database.silent_for(session.session_id, 5000)
    await redis_client.zadd(KEYS.heartbeats, {session.session_id: time.time() * 1000})
    await watched.watch_for(300)
    assert await database.state_of(session.session_id) == "active"


async def test_an_agent_whose_clock_is_hours_behind_is_not_failed_while_it_beats(
    watched: Watched, manager: SessionManager, database: Database, redis_client, clock: Clock
):
    session = await manager.create_session("grader", "u")
    await database.silent_for(session.session_id, 5 * HOUR)
    for _ in range(20):
        await redis_client.zadd(
            KEYS.heartbeats, {session.session_id: (clock.wall - 5 * HOUR) * 1000}
        )
        await watched.watch_for(30)
    assert await database.state_of(session.session_id) == "active"
    await watched.watch_for(150)
    assert await database.state_of(session.session_id) == "failed"


async def test_a_last_beat_from_the_future_keeps_nobody_alive(
    watched: Watched, manager: SessionManager, database: Database, redis_client, clock: Clock
):
    session = await manager.create_session("grader", "u")
    await database.silent_for(session.session_id, 2 * HOUR)
    await redis_client.zadd(KEYS.heartbeats, {session.session_id: (clock.wall + 9 * HOUR) * 1000})
    await watched.watch_for(150)
    assert await database.state_of(session.session_id) == "failed"


async def test_a_paused_session_stays_as_the_administrator_left_it(
    watched: Watched, manager: SessionManager, database: Database
):
    session = await manager.create_session("grader", "u")
    await manager.pause(session.session_id, actor="olga", reason="wait")
    await database.silent_for(session.session_id, 9000)
    await watched.watch_for(300)
    assert await database.state_of(session.session_id) == "paused"


async def test_a_session_that_beats_at_the_last_moment_is_not_failed(
    watched: Watched, manager: SessionManager, database: Database
):
    session = await manager.create_session("grader", "u")
    await database.silent_for(session.session_id, 3700)
    await watched.watch_for(100)
    await manager.heartbeat(session.session_id)
    await manager.tick()
    await watched.watch_for(300)
    assert await database.state_of(session.session_id) == "active"


@pytest.mark.parametrize("sessions", [7])
async def test_many_sessions_are_checked_in_batches(
    make: Make, manager: SessionManager, database: Database, clock: Clock, sessions: int
):
    """A page of two and five pages a check: no session is skipped, and no check takes longer."""
    await database.watched_for(HOUR, clock)
    watched = make()
    watched.sweeper._detector._page = 2
    made = [await manager.create_session("tutor", str(n)) for n in range(sessions)]
    for session in made:
        await database.silent_for(session.session_id, 900)
    await watched.watch_for(150)
    assert {await database.state_of(s.session_id) for s in made} == {"failed"}


async def test_it_reads_no_more_than_the_live_ones_and_by_their_index(
    manager: SessionManager, database: Database
):
    await database.rows(
        "INSERT INTO agent_sessions (id, agent_type, state, context) "
        "SELECT gen_random_uuid(), 'grader', CASE WHEN n % 5 = 0 THEN 'active' ELSE 'completed' END, '{}'"
        " FROM generate_series(1, 5000) n"
    )
    await database.rows("ANALYZE agent_sessions")
    plan = await database.rows(f"EXPLAIN {detector._PAGE}", detector.NOWHERE, 100)
    assert "agent_sessions_live" in "\n".join(line for (line,) in plan)

"""Faults 6 to 10 of the former system, which must not return."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis.asyncio

from agent_sessions import CheckpointManager, InvalidTransition, SessionManager
from tests.library.conftest import Make
from tests.library.people import OLGA, Sql, row, rows
from tests.support.keys import KEYS


# 6 -----------------------------------------------------------------------------------------------------------
async def test_a_heartbeat_does_not_rewrite_the_session(another: Make, sql: Sql) -> None:
    manager = await another(flush_seconds=3600)
    session = await manager.create_session("grader", context={"essay": "x" * 50_000})
    for n in range(60):
        session.checkpoint("essay_marked", {"n": n, "text": "y" * 900})
    await manager.update_session(session)
    before = await row(sql, session.session_id)
    [there] = await rows(sql, "SELECT ctid::text FROM agent_sessions")
    for _ in range(200):
        await manager.heartbeat(session.session_id)
    assert await rows(sql, "SELECT ctid::text FROM agent_sessions") == [there], "no row for a beat"
    [start] = await rows(sql, "SELECT pg_current_wal_insert_lsn() AS lsn")
    await manager.tick()
    [wal] = await rows(
        sql, "SELECT (pg_current_wal_insert_lsn() - %s::pg_lsn)::int AS n", start["lsn"]
    )
    after = await row(sql, session.session_id)
    assert after["last_heartbeat"] > before["last_heartbeat"]
    assert after["version"] == before["version"]
    assert wal["n"] < 20_000, "50 KB of context and 60 checkpoints are not written again"


async def test_a_heartbeat_without_postgresql_rewrites_no_record_either(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    manager = await another(database=False)
    session = await manager.create_session("grader")
    key = KEYS.copy(session.session_id)
    before = await redis_client.get(key)
    for _ in range(3):
        await manager.heartbeat(session.session_id)
    assert await redis_client.get(key) == before
    beaten = await manager.read(session.session_id)
    assert beaten is not None
    assert beaten.last_heartbeat >= session.last_heartbeat - timedelta(milliseconds=1)


async def test_a_beat_that_met_a_locked_row_is_written_with_the_next_tick(
    another: Make, sql: Sql
) -> None:
    manager = await another(flush_seconds=3600)
    session = await manager.create_session("grader")
    before = await row(sql, session.session_id)
    await manager.heartbeat(session.session_id)
    async with sql.transaction():
        await sql.execute("SELECT 1 FROM agent_sessions FOR UPDATE")
        await manager.tick()
    assert (await row(sql, session.session_id))["last_heartbeat"] == before["last_heartbeat"]
    await manager.tick()
    assert (await row(sql, session.session_id))["last_heartbeat"] > before["last_heartbeat"]


# 7 -----------------------------------------------------------------------------------------------------------
async def test_the_previous_state_is_recorded_and_ended_sessions_cannot_be_ended_again(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    await anywhere.pause(session.session_id, **OLGA)
    deleted = await anywhere.delete(session.session_id, **OLGA)
    last = deleted.get_last_checkpoint("session_deleted")
    assert last is not None and last.data == {"previous_state": "paused"}
    ended = await anywhere.create_session("grader")
    await anywhere.complete(ended.session_id, **OLGA)
    copy = await anywhere.read(ended.session_id)
    assert copy is not None
    for again in (copy.pause, copy.resume, lambda: copy.fail("why")):
        with pytest.raises(InvalidTransition):
            again()
    with pytest.raises(InvalidTransition, match="cannot fail a session that is completed"):
        await anywhere.fail(ended.session_id, "why", **OLGA)


async def test_resuming_an_ended_session_is_refused(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    again = await anywhere.resume(session.session_id, **OLGA)
    assert again.version == 1, "it is active already: repeating the order is harmless"
    await anywhere.fail(session.session_id, "why", **OLGA)
    with pytest.raises(InvalidTransition, match="cannot resume a session that is failed"):
        await anywhere.resume(session.session_id, **OLGA)


# 8 -----------------------------------------------------------------------------------------------------------
async def test_a_finished_session_s_duration_does_not_grow(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    await anywhere.complete(session.session_id, **OLGA)
    first = await anywhere.read(session.session_id)
    await anywhere.heartbeat(session.session_id)
    await anywhere.delete(session.session_id, **OLGA)
    later = await anywhere.read(session.session_id)
    assert first and later
    assert first.get_duration() == later.get_duration()


# 9 -----------------------------------------------------------------------------------------------------------
def test_the_limit_of_checkpoints_is_enforced_and_ids_stay_unique_after_an_import() -> None:
    checkpoints = CheckpointManager("s", max_checkpoints=30)
    for n in range(100):
        checkpoints.create(f"essay {n}", {})
    assert len(checkpoints) == 30
    exported = checkpoints.export()
    checkpoints.import_checkpoints(exported)
    checkpoints.create("next", {})
    ids = [c.id for c in checkpoints]
    assert len(ids) == len(set(ids)) <= 30


async def test_what_compression_drops_stays_in_the_audit_trail(
    durable: SessionManager, sql: Sql
) -> None:
    session = await durable.create_session("grader")
    for n in range(130):
        session.checkpoint("essay_marked", {"n": n})
        await durable.update_session(session)
    array = (await row(sql, session.session_id))["checkpoints"]
    assert len(array) <= 100
    stored = await durable.get_checkpoints(session.session_id, limit=1000)
    assert [c.data["n"] for c in stored[1:]] == list(range(130))
    [kept] = await rows(
        sql,
        "SELECT count(*) AS n FROM agent_session_history WHERE checkpoint_name = 'essay_marked'",
    )
    assert kept["n"] == 130


# 10 ----------------------------------------------------------------------------------------------------------
async def test_listing_active_sessions_loads_one_page_with_the_last_checkpoints(
    anywhere: SessionManager,
) -> None:
    for n in range(12):
        session = await anywhere.create_session("grader" if n % 2 else "tutor", f"u{n % 3}")
        session.checkpoint("essay_marked", {"n": n})
        await anywhere.update_session(session)
    await anywhere.pause(session.session_id, **OLGA)
    page = await anywhere.get_active_sessions(limit=5)
    assert len(page) == 5
    assert all([c.name for c in s.checkpoints] == ["essay_marked"] for s in page)
    assert all(s.checkpoint_count == 2 for s in page)
    assert len(await anywhere.get_active_sessions("grader")) == 5
    assert len(await anywhere.get_active_sessions("tutor", "u0")) == 2
    everything = [s async for s in anywhere.iterate_active_sessions()]
    assert len({s.session_id for s in everything}) == len(everything) == 11

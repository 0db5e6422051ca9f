"""Faults 1 to 5 of the former system, which must not return."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import redis.asyncio
from psycopg_pool import AsyncConnectionPool

from agent_sessions import (
    SessionManager,
    SessionState,
    StorageUnavailable,
)
from tests.library.conftest import Make
from tests.library.old_agent import OldAgent
from tests.library.people import OLGA, Sql, names, rows
from tests.support.keys import KEYS

NEVER_EXISTED = "00000000-0000-4000-8000-000000000000"
TWO_DAYS = timedelta(hours=48)


# 1 -----------------------------------------------------------------------------------------------------------
async def test_metadata_survives_a_valkey_that_lost_its_data(
    manager: SessionManager, redis_client: redis.asyncio.Redis, another: Make
) -> None:
    session = await manager.create_session("grader", metadata={"school": "IGS"})
    session.metadata["year"] = 7
    await manager.update_session(session)
    await redis_client.flushall()
    found = await (await another()).get_session(session.session_id)
    assert found is not None and found.metadata == {"school": "IGS", "year": 7}


# 2 -----------------------------------------------------------------------------------------------------------
async def test_an_administrator_s_pause_reaches_the_agent_and_is_not_overwritten(
    another: Make,
) -> None:
    agent, dashboard = await another(), await another()
    session = await agent.create_session("grader")
    assert await agent.get_session(session.session_id)
    await dashboard.pause(session.session_id, **OLGA)
    seen = await agent.get_session(session.session_id)
    assert seen is not None and seen.state == SessionState.PAUSED
    session.checkpoint("essay_marked")  # the agent's copy is still active
    await agent.update_session(session)
    stored = await dashboard.read(session.session_id)
    assert stored is not None and stored.state == SessionState.PAUSED


async def test_two_writers_keep_each_other_s_checkpoints_and_context(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    one, two = [await anywhere.read(session.session_id) for _ in range(2)]
    assert one and two
    for n in range(3):
        for who, copy in (("one", one), ("two", two)):
            copy.checkpoint(who, {"n": n})
            copy.context[who] = n
            await anywhere.update_session(copy)
    stored = await anywhere.read(session.session_id)
    assert stored is not None and stored.context == {"one": 2, "two": 2}
    assert (await names(anywhere, session.session_id))[1:] == ["one", "two"] * 3


async def test_the_local_cache_is_bounded(another: Make) -> None:
    manager = await another(cache_size=10)
    for _ in range(30):
        session = await manager.create_session("grader")
        for _ in range(3):
            assert await manager.get_session(session.session_id)
        await manager.head(session.session_id)
    cache = manager._cache
    assert len(cache._heads) <= len(cache._followed) == 10
    assert len(cache._sessions) <= 10


# 3 -----------------------------------------------------------------------------------------------------------
async def test_errors_of_postgresql_are_raised(
    another: Make, database_url: str, redis_client: redis.asyncio.Redis
) -> None:
    pool = AsyncConnectionPool(database_url, min_size=1, open=False, timeout=0.2)
    await pool.open()
    manager = SessionManager(redis_client, pool, retry_seconds=0)
    session = await manager.create_session("grader")
    await manager._store.close()  # the store keeps a connection for a moment
    await pool.close()  # from here on the database is unreachable
    session.checkpoint("essay_marked")
    for write in (
        manager.update_session(session),
        manager.create_session("grader"),
        manager.pause(session.session_id, **OLGA),
        manager.delete_session(session.session_id),
        manager.cleanup_stale_sessions(),
    ):
        with pytest.raises(StorageUnavailable, match="PostgreSQL did not answer"):
            await write
    await manager.close()
    stored = await (await another()).read(session.session_id)
    assert stored is not None and stored.version == 1


# 4 -----------------------------------------------------------------------------------------------------------
async def test_a_deleted_row_can_be_read(durable: SessionManager, sql: Sql) -> None:
    old = OldAgent(sql)
    session_id = await old.create()
    old.cache["state"] = "deleted"
    await old.save()
    session = await durable.get_session(session_id)
    assert session is not None and session.state == SessionState.DELETED


async def test_deleting_twice_returns_true_once(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    at_once = [anywhere.delete_session(session.session_id) for _ in range(5)]
    assert sorted(await asyncio.gather(*at_once)) == [False] * 4 + [True]
    assert await anywhere.delete_session(session.session_id) is False
    assert await anywhere.get_active_sessions() == []


async def test_deleting_what_never_existed_returns_false(anywhere: SessionManager) -> None:
    assert await anywhere.delete_session(NEVER_EXISTED) is False


async def test_what_is_deleted_is_gone_from_valkey_and_from_every_cache(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    one, two = await another(), await another()
    session = await one.create_session("grader")
    for manager in (one, two):
        assert await manager.get_session(session.session_id)
        await manager.tick()
    key = KEYS.copy(session.session_id)
    assert await redis_client.exists(key)
    assert await two.delete_session(session.session_id, **OLGA)
    assert not await redis_client.exists(key)
    for manager in (one, two):
        found = await manager.get_session(session.session_id)
        assert found is not None and found.state == SessionState.DELETED
    assert not await redis_client.exists(key)


# 5 -----------------------------------------------------------------------------------------------------------
async def test_stale_clean_up_updates_caches_and_writes_a_checkpoint(
    another: Make, sql: Sql
) -> None:
    agent, sweeper = await another(), await another()
    stale, fresh, paused = [await agent.create_session("grader") for _ in range(3)]
    await agent.pause(paused.session_id, **OLGA)
    assert await agent.get_session(stale.session_id)
    await sql.execute(
        "UPDATE agent_sessions SET last_heartbeat = now() - interval '49 hours' WHERE id = ANY(%s::uuid[])",
        ([stale.session_id, paused.session_id],),
    )
    assert await sweeper.cleanup_stale_sessions() == 1
    for manager in (agent, sweeper):
        failed = await manager.get_session(stale.session_id)
        assert failed is not None
        assert failed.state == SessionState.FAILED
        assert failed.context["failure_reason"] == "heartbeat_timeout"
        last = failed.get_last_checkpoint("session_failed")
        assert last is not None and last.data["error"] == "heartbeat_timeout"
    for other, state in ((fresh, "active"), (paused, "paused")):
        kept = await agent.get_session(other.session_id)
        assert kept is not None and kept.state == state
    assert await sweeper.cleanup_stale_sessions() == 0


@pytest.mark.parametrize("valkey", [False, True])
async def test_stale_clean_up_without_postgresql_is_stored_with_the_same_reason(
    another: Make, valkey: bool
) -> None:
    now = datetime.now(UTC)
    manager = await another(database=False, valkey=valkey, clock=lambda: now)
    session = await manager.create_session("grader")
    now += TWO_DAYS - timedelta(hours=26)
    await manager.heartbeat(session.session_id)
    now += timedelta(hours=26)
    assert await manager.cleanup_stale_sessions() == 0, "it has beaten since"
    now += TWO_DAYS
    assert await manager.cleanup_stale_sessions() == 1
    failed = await manager.read(session.session_id)
    assert failed is not None and failed.state == SessionState.FAILED
    assert failed.context["failure_reason"] == "heartbeat_timeout"
    assert (await names(manager, session.session_id))[-1] == "session_failed"


async def test_two_sweepers_at_once_fail_each_session_once(another: Make, sql: Sql) -> None:
    one, two = await another(), await another()
    await asyncio.gather(*(one.create_session("grader") for _ in range(20)))
    await sql.execute("UPDATE agent_sessions SET last_heartbeat = now() - interval '3 days'")
    counts = await asyncio.gather(one.cleanup_stale_sessions(), two.cleanup_stale_sessions())
    assert sum(counts) == 20
    [failures] = await rows(
        sql, "SELECT count(*) AS n FROM agent_session_checkpoints WHERE name = 'session_failed'"
    )
    assert failures["n"] == 20


async def test_a_session_whose_newest_heartbeat_is_only_in_valkey_is_not_failed(
    another: Make, sql: Sql
) -> None:
    manager = await another(flush_seconds=3600)
    session = await manager.create_session("grader")
    await sql.execute("UPDATE agent_sessions SET last_heartbeat = now() - interval '3 days'")
    await manager.heartbeat(session.session_id)
    assert await (await another()).cleanup_stale_sessions() == 0

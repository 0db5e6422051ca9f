"""Nothing waits for Valkey: slow, frozen or gone, it loses no data and gets announcements later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from psycopg_pool import AsyncConnectionPool

from agent_sessions import SessionManager, StorageUnavailable
from tests.library.conftest import Make
from tests.library.hearing import SOON, live, over, served, until, words_of
from tests.library.own_valkey import OwnValkey
from tests.library.people import OLGA, Sql
from tests.support.keys import KEYS


@pytest.fixture
async def valkey() -> AsyncIterator[OwnValkey]:
    valkey = OwnValkey()
    await valkey.start()
    yield valkey
    valkey.remove()


async def test_a_session_that_is_stored_does_not_wait_for_its_copy_in_valkey(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    one, two = await another(), await another()
    await redis_client.client_pause(60_000, all=False)  # it takes no writes
    async with asyncio.timeout(SOON):
        session = await one.create_session("grader")
        assert await served(two, session.session_id), "nor does who reads it from PostgreSQL"
    key = KEYS.copy(session.session_id)
    assert not await redis_client.exists(key)
    await redis_client.client_unpause()
    await one.tick()
    await two.tick()
    assert await redis_client.exists(key)


async def test_storing_a_checkpoint_does_not_wait_for_valkey_which_later_gets_the_newest(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    writer, reader = await another(), await another()
    session = await writer.create_session("grader")
    await writer.tick()
    async with words_of(redis_client, session.session_id) as next_word:
        await redis_client.client_pause(60_000, all=False)  # it takes no writes
        async with asyncio.timeout(SOON):
            for n in range(20):
                session.checkpoint("essay_marked", {"n": n})
                await writer.update_session(session)
            found = await served(reader, session.session_id)
        assert [c.data["n"] for c in found.checkpoints[1:]] == list(range(20))
        await redis_client.client_unpause()
        await asyncio.wait_for(writer.tick(), SOON)
        versions = [(await next_word())["version"] for _ in range(2)]
        assert versions == [2, session.version], "what was on its way, and the newest behind it"


async def test_of_announcements_that_valkey_did_not_take_the_newest_is_sent_later(
    another: Make, valkey: OwnValkey
) -> None:
    writer = await over(another, valkey, flush_seconds=3600)
    session = await writer.create_session("grader")
    await writer.tick()
    valkey.freeze()
    async with asyncio.timeout(SOON):
        for n in range(3):
            session.checkpoint("essay_marked", {"n": n})
            await writer.update_session(session)
        valkey.kill()
        await writer._publisher.settle()
    assert writer._publisher._unpublished[session.session_id].version == session.version
    await valkey.start()
    client = redis.asyncio.Redis.from_url(valkey.url)
    async with client, words_of(client, session.session_id) as next_word:
        await writer.tick()
        assert (await next_word())["version"] == session.version
    assert not writer._publisher._unpublished


async def test_no_more_copies_wait_for_valkey_than_there_is_room_for(
    another: Make, redis_client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_sessions.valkey_cache.COPIES_WAITING", 3_000)
    one = await another()
    await redis_client.client_pause(60_000, all=False)
    created = [await one.create_session("grader", context={"n": "x" * 2_000}) for _ in range(5)]
    await redis_client.client_unpause()
    await one.tick()
    created.append(await one.create_session("grader"))
    await one.tick()
    keys = [KEYS.copy(session.session_id) for session in created]
    there = [await redis_client.exists(key) for key in keys]
    assert there == [1, 1, 0, 0, 0, 1], (
        "two fill the room, and when they are gone there is room again"
    )


async def test_without_valkey_the_local_cache_is_not_used(another: Make, valkey: OwnValkey) -> None:
    manager, elsewhere = await over(another, valkey), await another(valkey=False)
    session = await manager.create_session("grader")
    await live(manager, session.session_id)
    await served(manager, session.session_id)
    valkey.kill()
    await until(manager, trusted=False)
    assert not manager._cache._heads and not manager._cache._sessions
    await elsewhere.pause(session.session_id, **OLGA)
    assert (await manager.head(session.session_id)).state == "paused"
    assert (await served(manager, session.session_id)).state == "paused"
    answer = await manager.heartbeat(session.session_id)
    assert answer.state == "paused", "the next heartbeat's answer brings it"


async def test_losing_valkey_loses_no_fact_and_fails_no_session(
    another: Make, valkey: OwnValkey
) -> None:
    manager = await over(another, valkey, flush_seconds=3600)
    session = await manager.create_session("grader")
    async with manager.attach(session.session_id, interval=3600, complete=False) as run:
        for n in range(6):
            if n == 2:
                valkey.kill()
            if n == 4:
                await valkey.start()
            run.context["n"] = n
            await run.checkpoint("essay_marked", {"n": n})
            await run.tick()
        await manager.tick()
    found = await manager.read(session.session_id)
    assert found is not None and found.context == {"n": 5}
    stored = await manager.get_checkpoints(session.session_id)
    assert [c.data["n"] for c in stored[1:]] == list(range(6))


async def test_what_could_not_be_announced_is_announced_when_valkey_is_back(
    another: Make, valkey: OwnValkey
) -> None:
    writer, reader = [await over(another, valkey, flush_seconds=3600) for _ in range(2)]
    session = await writer.create_session("grader")
    await live(reader, session.session_id)
    await served(reader, session.session_id)
    valkey.kill()
    await until(reader, trusted=False)
    await writer.pause(session.session_id, **OLGA)
    assert list(writer._publisher._unpublished) == [session.session_id]
    await valkey.start()
    await until(reader, trusted=True)
    await writer.tick()
    assert not writer._publisher._unpublished
    assert (await served(reader, session.session_id)).state == "paused"


async def test_a_flushed_valkey_costs_nothing_but_time(
    manager: SessionManager, redis_client: redis.asyncio.Redis, sql: Sql
) -> None:
    session = await manager.create_session("grader", context={"a": 1})
    await live(manager, session.session_id)
    await redis_client.flushall()
    assert (await served(manager, session.session_id)).context == {"a": 1}
    session.context["a"] = 2
    await manager.update_session(session)
    assert (await served(manager, session.session_id)).context == {"a": 2}


async def test_without_postgresql_only_subscribed_sessions_are_served(
    another: Make, database_url: str, redis_client: redis.asyncio.Redis
) -> None:
    pool = AsyncConnectionPool(database_url, min_size=1, open=False, timeout=0.2)
    await pool.open()
    manager = SessionManager(redis_client, pool, retry_seconds=0)
    known, unknown = [await manager.create_session("grader") for _ in range(2)]
    await live(manager, known.session_id)
    await served(manager, known.session_id)
    await pool.close()
    assert (await served(manager, known.session_id)).version == 1
    with pytest.raises(StorageUnavailable):
        await manager.get_session(unknown.session_id)  # Valkey has a copy of unknown age
    await manager.close()

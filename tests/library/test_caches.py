"""Caches that cannot lie: bounded, told of every change, compared with PostgreSQL, and doubted without Valkey."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis.asyncio
from psycopg_pool import AsyncConnectionPool

from agent_sessions import AgentSession, InvalidInput, SessionManager, StorageUnavailable
from tests.library.conftest import Make
from tests.library.own_valkey import OwnValkey
from tests.library.people import OLGA, OTTO, Sql

SOON = 10.0
NONSENSE = [
    b"", b"{", b"null", b"[]", b"5", b'"text"', b"\xff\xfe", b"{}", b'{"version": 9}', b"[" * 5000,
    b'{"version": 1, "session_id": "x"}', json.dumps({"version": 10**30, "session_id": 5}).encode(),
]  # fmt: skip


async def live(manager: SessionManager, session_id: str) -> None:
    """Until the manager hears of every change of this session."""

    async def heard() -> None:
        while True:
            if await manager._knowledge.follow(session_id):
                return
            await asyncio.sleep(0.01)

    await asyncio.wait_for(heard(), SOON)


async def until(manager: SessionManager, trusted: bool) -> None:
    async def so() -> None:
        while True:
            if manager._knowledge.trusted is trusted:
                return
            await asyncio.sleep(0.01)

    await asyncio.wait_for(so(), SOON)


async def served(manager: SessionManager, session_id: str) -> AgentSession:
    session = await manager.get_session(session_id)
    assert session is not None
    return session


@asynccontextmanager
async def words_of(
    client: redis.asyncio.Redis, session_id: str
) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
    """What is told of a session, word by word."""

    async def next_word() -> dict[str, Any]:
        message = await pubsub.get_message(timeout=SOON)
        return dict(json.loads(message["data"]))

    async with client.pubsub() as pubsub:
        await pubsub.subscribe(f"breakpilot:session:{session_id}:changes")
        assert (await pubsub.get_message(timeout=SOON))["type"] == "subscribe"
        yield next_word


async def test_a_session_comes_from_the_local_cache_then_valkey_then_postgresql(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    one, two = await another(), await another()
    session = await one.create_session("grader", metadata={"school": "IGS"})
    await one.tick()
    key = f"breakpilot:session:{session.session_id}"
    assert 86_000 < await redis_client.ttl(key) <= 86_400
    await live(two, session.session_id)
    first = await served(two, session.session_id)
    assert two._knowledge.session(session.session_id) is not None, "kept here"
    await redis_client.delete(key)
    two._knowledge._doubt()
    assert (await served(two, session.session_id)).to_dict() == first.to_dict()
    await two.tick()
    assert json.loads(await redis_client.get(key) or "")["metadata"] == {"school": "IGS"}


async def test_a_session_that_is_stored_does_not_wait_for_its_copy_in_valkey(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    one, two = await another(), await another()
    await redis_client.client_pause(60_000, all=False)  # it takes no writes
    async with asyncio.timeout(SOON):
        session = await one.create_session("grader")
        assert await served(two, session.session_id), "nor does who reads it from PostgreSQL"
    key = f"breakpilot:session:{session.session_id}"
    assert not await redis_client.exists(key)
    await redis_client.client_unpause()
    await one.tick()
    await two.tick()
    assert await redis_client.exists(key)


async def test_a_checkpoint_that_is_stored_does_not_wait_for_valkey_which_then_hears_the_newest(
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


async def test_of_words_that_valkey_did_not_take_the_newest_is_owed(
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
        await writer._knowledge.settle()
    assert writer._knowledge._unannounced[session.session_id].version == session.version
    await valkey.start()
    client = redis.asyncio.Redis.from_url(valkey.url)
    async with client, words_of(client, session.session_id) as next_word:
        await writer.tick()
        assert (await next_word())["version"] == session.version
    assert not writer._knowledge._unannounced


async def test_no_more_copies_wait_for_valkey_than_there_is_room_for(
    another: Make, redis_client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_sessions.valkey.COPIES_WAITING", 3_000)
    one = await another()
    await redis_client.client_pause(60_000, all=False)
    created = [await one.create_session("grader", context={"n": "x" * 2_000}) for _ in range(5)]
    await redis_client.client_unpause()
    await one.tick()
    created.append(await one.create_session("grader"))
    await one.tick()
    keys = [f"breakpilot:session:{session.session_id}" for session in created]
    there = [await redis_client.exists(key) for key in keys]
    assert there == [1, 1, 0, 0, 0, 1], (
        "two fill the room, and when they are gone there is room again"
    )


async def test_what_is_served_is_a_copy(another: Make) -> None:
    manager = await another()
    session = await manager.create_session("grader", context={"marks": []})
    await live(manager, session.session_id)
    for _ in range(3):
        (await served(manager, session.session_id)).context["marks"].append(1)
    assert (await served(manager, session.session_id)).context == {"marks": []}


async def test_a_change_in_another_process_is_served_at_once(another: Make) -> None:
    one, two = await another(), await another()
    session = await one.create_session("grader")
    await live(two, session.session_id)
    for n in range(10):
        session.context["n"] = n
        await one.update_session(session)
        assert (await served(two, session.session_id)).context == {"n": n}
    await one.pause(session.session_id, **OLGA)
    assert (await two.head(session.session_id)).state in (
        "active",
        "paused",
    )  # told, maybe not yet heard
    assert (await served(two, session.session_id)).state == "paused"


async def test_a_first_read_shows_no_less_than_what_was_stored_when_it_began(another: Make) -> None:
    """Valkey and PostgreSQL are asked at the same time, while somebody writes and others put copies back."""
    writer, readers = await another(), [await another(cache_size=0) for _ in range(2)]
    session = await writer.create_session("grader")

    async def write() -> None:
        for n in range(100):
            session.context["n"] = n
            await writer.update_session(session)

    async def read(reader: SessionManager) -> int:
        reads = 0
        while not writing.done():
            stored = session.version
            found = await reader.get_session(session.session_id)
            assert found is not None and found.version >= stored
            assert found.version == 1 or found.context["n"] == found.version - 2
            reads += 1
        return reads

    writing = asyncio.create_task(write())
    assert min(await asyncio.gather(*(read(reader) for reader in readers))) > 5
    await writing


async def test_what_is_not_followed_is_not_believed(another: Make) -> None:
    """An order given here does not make this process an authority on what comes after."""
    one, two = await another(), await another()
    session, other = await one.create_session("grader"), await one.create_session("grader")
    await live(one, other.session_id)
    await one.pause(session.session_id, **OLGA)
    await two.resume(session.session_id, **OTTO)
    assert (await one.head(session.session_id)).state == "active"


async def test_what_was_forgotten_for_space_is_not_believed_when_its_beats_are_answered(
    another: Make,
) -> None:
    one, two = await another(cache_size=1, flush_seconds=3600), await another()
    session, other = await one.create_session("grader"), await one.create_session("grader")
    await live(one, session.session_id)
    await one.heartbeat(session.session_id)
    await live(one, other.session_id)
    await one.heartbeat(other.session_id)
    await one.tick()
    await two.pause(session.session_id, **OLGA)
    assert (await one.head(session.session_id)).state == "paused"


async def test_an_old_copy_that_comes_late_is_not_put_over_word_of_a_newer_one(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    reader, writer = await another(), await another()
    session = await writer.create_session("grader")
    old = await reader.read(session.session_id)  # read old …
    assert old is not None
    await writer.pause(session.session_id, **OLGA)  # … write new …
    reader._knowledge.keep(old)  # … cache old
    await reader.tick()
    copy = await redis_client.get(f"breakpilot:session:{session.session_id}")
    assert copy is None or json.loads(copy)["version"] == 2
    for manager in (reader, writer, await another()):
        assert (await served(manager, session.session_id)).state == "paused"


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda n: n[:12].decode(errors="replace"))
async def test_unknown_content_in_valkey_is_never_served(
    another: Make, redis_client: redis.asyncio.Redis, nonsense: bytes
) -> None:
    manager = await another()
    session = await manager.create_session("grader", context={"a": 1})
    key = f"breakpilot:session:{session.session_id}"
    await redis_client.set(key, nonsense)
    assert (await served(manager, session.session_id)).context == {"a": 1}
    await manager.tick()
    assert json.loads(await redis_client.get(key) or "")["version"] == 1, "and was replaced"
    await redis_client.set(key, nonsense)
    await manager.pause(session.session_id, **OLGA)


async def test_a_number_that_no_float_holds_is_read_from_postgresql_each_time(
    another: Make, sql: Sql
) -> None:
    writer, reader = await another(), await another()
    session = await writer.create_session("grader")
    context = f'{{"n": 1{"0" * 400}.5}}'
    await sql.execute(
        "UPDATE agent_sessions SET context = %s::jsonb WHERE id = %s",
        (context, session.session_id),
    )
    for manager in (reader, reader, reader, writer, writer):
        assert (await served(manager, session.session_id)).context == {"n": float("inf")}
        await manager.tick()


@pytest.mark.parametrize("nonsense", NONSENSE[1:], ids=lambda n: n[:12].decode(errors="replace"))
async def test_unknown_content_where_valkey_is_the_only_store_is_said_to_be_that(
    another: Make, redis_client: redis.asyncio.Redis, nonsense: bytes
) -> None:
    manager = await another(database=False)
    session, whole = [await manager.create_session("grader") for _ in range(2)]
    await redis_client.set(f"breakpilot:session:{session.session_id}", nonsense)
    for call in (
        manager.get_session(session.session_id),
        manager.pause(session.session_id, **OLGA),
    ):
        with pytest.raises(InvalidInput, match=r"no (stored )?session|no checkpoint"):
            await call
    assert [s.session_id for s in await manager.get_active_sessions()] == [whole.session_id]


async def test_word_of_a_change_that_nobody_can_read_is_passed_over(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    manager = await another()
    session = await manager.create_session("grader")
    await live(manager, session.session_id)
    channel = f"breakpilot:session:{session.session_id}:changes"
    for word in (b"", b"{", b"5", b"[]", b"null", b'{"id": 5}', b"\xff", b'{"version": "x"}'):
        await redis_client.publish(channel, word)
    await (await another()).pause(session.session_id, **OLGA)
    assert (await served(manager, session.session_id)).state == "paused"
    assert manager._knowledge.trusted


# --- Valkey comes and goes -----------------------------------------------------------------------------------
@pytest.fixture
async def valkey() -> AsyncIterator[OwnValkey]:
    valkey = OwnValkey()
    await valkey.start()
    yield valkey
    valkey.remove()


async def over(another: Make, valkey: OwnValkey, **settings: Any) -> SessionManager:
    return await another(valkey_url=valkey.url, **settings)


async def test_without_valkey_nothing_here_is_trusted(another: Make, valkey: OwnValkey) -> None:
    manager, elsewhere = await over(another, valkey), await another(valkey=False)
    session = await manager.create_session("grader")
    await live(manager, session.session_id)
    await served(manager, session.session_id)
    valkey.kill()
    await until(manager, trusted=False)
    assert not manager._knowledge._heads and not manager._knowledge._sessions
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
    assert list(writer._knowledge._unannounced) == [session.session_id]
    await valkey.start()
    await until(reader, trusted=True)
    await writer.tick()
    assert not writer._knowledge._unannounced
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


async def test_with_postgresql_away_only_what_is_heard_of_is_served(
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
        await manager.get_session(
            unknown.session_id
        )  # Valkey has a copy; nobody knows how old it is
    await manager.close()

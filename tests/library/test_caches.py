"""Caches are bounded, get every change, and agree with PostgreSQL."""

from __future__ import annotations

import asyncio
import json

import pytest
import redis.asyncio

from agent_sessions import InvalidInput, SessionManager
from tests.library.conftest import Make
from tests.library.hearing import live, served
from tests.library.people import OLGA, OTTO, Sql
from tests.support.keys import KEYS

NONSENSE = [
    b"", b"{", b"null", b"[]", b"5", b'"text"', b"\xff\xfe", b"{}", b'{"version": 9}', b"[" * 5000,
    b'{"version": 1, "session_id": "x"}', json.dumps({"version": 10**30, "session_id": 5}).encode(),
]  # fmt: skip


async def test_a_session_comes_from_the_local_cache_then_valkey_then_postgresql(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    one, two = await another(), await another()
    session = await one.create_session("grader", metadata={"school": "IGS"})
    await one.tick()
    key = KEYS.copy(session.session_id)
    assert 86_000 < await redis_client.ttl(key) <= 86_400
    await live(two, session.session_id)
    first = await served(two, session.session_id)
    assert two._cache.session(session.session_id) is not None, "kept here"
    await redis_client.delete(key)
    two._cache.invalidate_all()
    assert (await served(two, session.session_id)).to_dict() == first.to_dict()
    await two.tick()
    assert json.loads(await redis_client.get(key) or "")["metadata"] == {"school": "IGS"}


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
    # published, but maybe not received yet
    assert (await two.head(session.session_id)).state in ("active", "paused")
    assert (await served(two, session.session_id)).state == "paused"


async def test_a_first_read_shows_no_less_than_what_was_stored_when_it_began(another: Make) -> None:
    """Valkey and PostgreSQL are read concurrently, while others write and cache copies."""
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


async def test_a_session_without_subscription_is_not_served_from_the_cache(another: Make) -> None:
    """A process that gives an order learns of later orders only with a subscription."""
    one, two = await another(), await another()
    session, other = await one.create_session("grader"), await one.create_session("grader")
    await live(one, other.session_id)
    await one.pause(session.session_id, **OLGA)
    await two.resume(session.session_id, **OTTO)
    assert (await one.head(session.session_id)).state == "active"


async def test_a_heartbeat_s_answer_does_not_cache_an_evicted_session(
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


async def test_a_late_old_copy_does_not_replace_an_announced_newer_version(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    reader, writer = await another(), await another()
    session = await writer.create_session("grader")
    old = await reader.read(session.session_id)  # read old …
    assert old is not None
    await writer.pause(session.session_id, **OLGA)  # … write new …
    reader._cache.put(old)  # … cache old
    await reader.tick()
    copy = await redis_client.get(KEYS.copy(session.session_id))
    assert copy is None or json.loads(copy)["version"] == 2
    for manager in (reader, writer, await another()):
        assert (await served(manager, session.session_id)).state == "paused"


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda n: n[:12].decode(errors="replace"))
async def test_unknown_content_in_valkey_is_never_served(
    another: Make, redis_client: redis.asyncio.Redis, nonsense: bytes
) -> None:
    manager = await another()
    session = await manager.create_session("grader", context={"a": 1})
    key = KEYS.copy(session.session_id)
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
        [shown] = (await served(manager, session.session_id)).context.values()
        assert shown.startswith("⟪…⟫ a number of 402 digits")
        await manager.tick()


@pytest.mark.parametrize("nonsense", NONSENSE[1:], ids=lambda n: n[:12].decode(errors="replace"))
async def test_unknown_content_where_valkey_is_the_only_store_is_said_to_be_that(
    another: Make, redis_client: redis.asyncio.Redis, nonsense: bytes
) -> None:
    manager = await another(database=False)
    session, whole = [await manager.create_session("grader") for _ in range(2)]
    await redis_client.set(KEYS.copy(session.session_id), nonsense)
    for call in (
        manager.get_session(session.session_id),
        manager.pause(session.session_id, **OLGA),
    ):
        with pytest.raises(InvalidInput, match=r"no (stored )?session|no checkpoint"):
            await call
    assert [s.session_id for s in await manager.get_active_sessions()] == [whole.session_id]


async def test_an_unreadable_announcement_is_ignored(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    manager = await another()
    session = await manager.create_session("grader")
    await live(manager, session.session_id)
    channel = KEYS.former_changes(session.session_id)
    for word in (b"", b"{", b"5", b"[]", b"null", b'{"id": 5}', b"\xff", b'{"version": "x"}'):
        await redis_client.publish(channel, word)
    await (await another()).pause(session.session_id, **OLGA)
    assert (await served(manager, session.session_id)).state == "paused"
    assert manager._cache.trusted

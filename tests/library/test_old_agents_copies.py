"""Copies that old agents put into Valkey, and their writes without announcements."""

from __future__ import annotations

import redis.asyncio

from tests.library.conftest import Make
from tests.library.old_agent import OldAgent
from tests.library.people import OLGA, OTTO, Sql, names


async def test_a_stale_copy_that_it_puts_into_valkey_is_never_served(
    another: Make, sql: Sql, redis_client: redis.asyncio.Redis
) -> None:
    ours, theirs = await another(), await another()
    session = await ours.create_session("grader", context={"a": 1})
    old = OldAgent(sql, redis_client)
    await old.load(session.session_id)
    await theirs.pause(session.session_id, **OTTO)
    old.cache["context"]["a"] = 7
    await old.save()  # its SETEX stores active
    for manager in (ours, theirs, await another()):
        served = await manager.get_session(session.session_id)
        assert served is not None
        assert (served.state, served.context) == ("paused", {"a": 7})


async def test_its_write_is_seen_although_it_tells_nobody(
    another: Make, sql: Sql, redis_client: redis.asyncio.Redis
) -> None:
    manager = await another()
    old = OldAgent(sql, redis_client)
    session_id = await old.create(n=0)
    for n in range(1, 4):
        cached = await manager.get_session(session_id)
        assert cached is not None and cached.context == {"n": n - 1}
        old.cache["context"]["n"] = n
        await old.save()
    await sql.execute("UPDATE agent_sessions SET state = 'paused' WHERE id = %s", (session_id,))
    cached = await manager.get_session(session_id)
    assert cached is not None and cached.state == "paused"


async def test_without_postgresql_its_session_is_taken_over_from_valkey(
    another: Make, redis_client: redis.asyncio.Redis, sql: Sql
) -> None:
    old = OldAgent(sql, redis_client)
    session_id = await old.create(a=1)
    old.checkpoint("turn", n=1)
    await old.save()
    manager = await another(database=False)
    session = await manager.get_session(session_id)
    assert session is not None
    assert [c.n for c in session.checkpoints] == [1, 2]
    session.context["b"] = 2
    session.checkpoint("turn", {"n": 2})
    await manager.update_session(session)
    rolled = await manager.rollback(session_id, 2, **OLGA)
    assert rolled.context == {"a": 1, "b": 2}, "no context was captured with an old checkpoint"
    stored = await names(manager, session_id)
    assert stored[:3] == ["session_created", "turn", "turn"]
    back = await manager.rollback(session_id, 3, **OLGA)
    assert back.context == {"a": 1, "b": 2}

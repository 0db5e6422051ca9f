"""Failing silent sessions in one statement stores the same as failing each one."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg_pool import AsyncConnectionPool

from agent_sessions import SessionManager, transitions
from agent_sessions.stale import BATCH
from agent_sessions.write_commands import Author
from tests.support.waiting import HANGS

Pool = AsyncConnectionPool[Any]
AGE = timedelta(hours=48)
SILENT = "UPDATE agent_sessions SET last_heartbeat = now() - interval '3 days' WHERE id = %s"
LEFT = """
SELECT to_jsonb(s) - '{id,created_at,updated_at,last_heartbeat,last_progress,ended_at,ordered_at,change_id}'::text[],
    (SELECT jsonb_agg(to_jsonb(c) - '{session_id,at}'::text[] ORDER BY n)
     FROM agent_session_checkpoints c WHERE session_id = s.id),
    (SELECT jsonb_agg(to_jsonb(h) - '{session_id,at,change_id}'::text[] ORDER BY version)
     FROM agent_session_history h WHERE session_id = s.id),
    (SELECT jsonb_agg(to_jsonb(x) - '{session_id,replaced_at}'::text[]) FROM agent_session_contexts x WHERE session_id = s.id)
FROM agent_sessions s WHERE id = %s
"""
ANY_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
ANY_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00")


@pytest.mark.parametrize("checkpoints", [0, 3, 48, 49, 70])
async def test_one_statement_leaves_what_the_careful_way_leaves(
    manager: SessionManager, pool: Pool, checkpoints: int
) -> None:
    quick, careful = [await _session(manager, checkpoints) for _ in range(2)]
    for session_id in (quick, careful):
        await _execute(pool, SILENT, session_id)
    now = manager.clock()
    decision = transitions.heartbeat_timeout(
        Author("sweeper", "sweeper", "heartbeat_timeout"), now, AGE
    )
    store: Any = manager._store
    async with store.fail_stale_batch() as fail:
        assert len(await fail([quick], decision, now, AGE)) == 1
    await store.transact(careful, uuid4(), decision)
    assert await _left(pool, quick) == await _left(pool, careful)


async def test_who_has_given_a_sign_of_life_meanwhile_is_not_failed(
    manager: SessionManager, pool: Pool
) -> None:
    session_id, now = await _session(manager, 1), manager.clock()
    decision = transitions.heartbeat_timeout(
        Author("sweeper", "sweeper", "heartbeat_timeout"), now, AGE
    )
    store: Any = manager._store
    async with store.fail_stale_batch() as fail:
        assert await fail([session_id], decision, now, AGE) == []
    session = await manager.read(session_id)
    assert session is not None and session.state == "active"


async def test_more_than_a_batch_of_them_are_failed_each_once(
    manager: SessionManager, pool: Pool
) -> None:
    ids = [(await manager.create_session("grader")).session_id for _ in range(60)]
    for session_id in ids:
        await _execute(pool, SILENT, session_id)
    assert await manager.cleanup_stale_sessions() == 60
    assert await manager.cleanup_stale_sessions() == 0


async def test_the_first_are_failed_while_the_others_are_still_looked_for(
    manager: SessionManager, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(BATCH + 1):
        await _execute(pool, SILENT, (await manager.create_session("grader")).session_id)
    store: Any = manager._store
    find = store.stale

    async def slowly(max_age: timedelta) -> AsyncIterator[str]:
        found = 0
        async for session_id in find(max_age):
            yield session_id
            found += 1
            if found == BATCH:
                await asyncio.wait_for(_until_some_failed(pool), HANGS)

    monkeypatch.setattr(store, "stale", slowly)
    assert await manager.cleanup_stale_sessions() == BATCH + 1


async def test_one_connection_is_enough_to_fail_batches_of_every_kind(
    pool: Pool, database_url: str
) -> None:
    async with AsyncConnectionPool(
        database_url, min_size=1, max_size=1, open=False, timeout=HANGS
    ) as only:
        manager = SessionManager(None, only)
        careful = [await _session(manager, 49) for _ in range(2)]
        quick = [(await manager.create_session("grader")).session_id for _ in range(60)]
        for session_id in [*careful, *quick]:
            await _execute(pool, SILENT, session_id)
        assert await manager.cleanup_stale_sessions() == 62
        await manager.close()


async def _session(manager: SessionManager, checkpoints: int) -> str:
    session = await manager.create_session("grader", "maria", {"class": "7b"}, {"origin": "test"})
    for n in range(checkpoints):
        session.checkpoint(f"essay_{n % 8}", {"n": n})
    await manager.update_session(session)
    return session.session_id


async def _until_some_failed(pool: Pool) -> None:
    while True:
        async with pool.connection() as connection:
            failed = await connection.execute("SELECT FROM agent_sessions WHERE state = 'failed'")
        if failed.rowcount:
            return
        await asyncio.sleep(0.01)


async def _execute(pool: Pool, text: str, session_id: str) -> None:
    async with pool.connection() as connection:
        await connection.execute(text, (session_id,))


async def _left(pool: Pool, session_id: str) -> str:
    async with pool.connection() as connection:
        found = await (await connection.execute(LEFT, (session_id,))).fetchone()
    assert found is not None and found[0]["state"] == "failed"
    return ANY_TIME.sub("then", ANY_ID.sub("id", json.dumps(found, sort_keys=True)))

"""An open transaction in psql locks one row; other rows are not affected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from agent_sessions import AgentSession, SessionManager, StorageUnavailable
from tests.support.waiting import HANGS


@asynccontextmanager
async def held(database_url: str, session: AgentSession) -> AsyncIterator[None]:
    async with await psycopg.AsyncConnection.connect(database_url) as somebody:
        await somebody.execute(
            "SELECT 1 FROM agent_sessions WHERE id = %s FOR UPDATE", (session.session_id,)
        )
        yield


async def stores(manager: SessionManager, session: AgentSession, name: str) -> None:
    session.checkpoint(name)
    await manager.update_session(session)


async def stored(manager: SessionManager, session: AgentSession) -> list[str]:
    return [c.name for c in await manager.get_checkpoints(session.session_id)]


async def test_a_locked_row_holds_up_itself_and_nobody_else(
    database_url: str, manager: SessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_sessions.stores.batch_writes.LOCK_SECONDS", 10 * HANGS)
    locked, *free = [await manager.create_session("grader") for _ in range(21)]
    async with held(database_url, locked):
        waiting = asyncio.create_task(stores(manager, locked, "one"))
        async with asyncio.timeout(HANGS):
            for name in ("one", "two", "three"):
                await asyncio.gather(*(stores(manager, session, name) for session in free))
        for session in free:
            assert await stored(manager, session) == ["session_created", "one", "two", "three"]
        assert not waiting.done()
        assert await stored(manager, locked) == ["session_created"]
    async with asyncio.timeout(HANGS):
        await waiting
    assert await stored(manager, locked) == ["session_created", "one"]


async def test_writes_that_wait_for_one_row_keep_their_order(
    database_url: str, manager: SessionManager
) -> None:
    locked = await manager.create_session("grader")
    copies = [await manager.read(locked.session_id) for _ in range(5)]
    async with held(database_url, locked):
        waiting = []
        for n, copy in enumerate(copies):
            assert copy is not None
            waiting.append(asyncio.create_task(stores(manager, copy, f"essay {n}")))
            await asyncio.sleep(0.02)
    await asyncio.gather(*waiting)
    expected = ["session_created", *(f"essay {n}" for n in range(5))]
    assert await stored(manager, locked) == expected


async def test_who_waits_too_long_is_told_and_stores_once_when_it_tries_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_sessions.stores.batch_writes.LOCK_SECONDS", 0.3)
    async with await SessionManager.connect(database_url, retry_seconds=0.3) as manager:
        locked = await manager.create_session("grader")
        async with held(database_url, locked):
            async with asyncio.timeout(HANGS):
                with pytest.raises(StorageUnavailable, match=r"kept the row of session .* locked"):
                    await stores(manager, locked, "one")
        await manager.update_session(locked)
        assert await stored(manager, locked) == ["session_created", "one"]


async def test_a_manager_that_is_closed_waits_for_a_write_that_is_held_up(
    database_url: str, manager: SessionManager
) -> None:
    async with await SessionManager.connect(database_url) as agent:
        locked = await agent.create_session("grader")
        async with held(database_url, locked):
            waiting = asyncio.create_task(stores(agent, locked, "one"))
            await asyncio.sleep(0.05)
            closing = asyncio.create_task(agent.close())
            await asyncio.sleep(0.05)
            assert not closing.done()
        await asyncio.gather(waiting, closing)
    assert await stored(manager, locked) == ["session_created", "one"]


async def test_the_tidying_of_what_is_silent_leaves_a_locked_row_for_the_next_time(
    database_url: str, manager: SessionManager
) -> None:
    sessions = [await manager.create_session("grader") for _ in range(3)]
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as clock:
        await clock.execute("UPDATE agent_sessions SET last_heartbeat = now() - interval '3 days'")
    async with held(database_url, sessions[0]), asyncio.timeout(HANGS):
        assert await manager.cleanup_stale_sessions() == 2
    assert await manager.cleanup_stale_sessions() == 1


async def test_an_acknowledgement_that_waited_confirms_no_order_that_came_meanwhile(
    database_url: str, manager: SessionManager
) -> None:
    session = await manager.create_session("grader")
    paused = await manager.pause(session.session_id, actor="olga")
    async with await psycopg.AsyncConnection.connect(database_url) as somebody:
        resume = "UPDATE agent_sessions SET state = 'active' WHERE id = %s"
        await somebody.execute(resume, (session.session_id,))
        confirming = asyncio.create_task(
            manager.acknowledge(session.session_id, paused.order_version)
        )
        await a_statement_waits_for_a_row(database_url)
    async with asyncio.timeout(HANGS):
        await confirming
    stored = await manager.read(session.session_id)
    assert stored is not None and stored.order_version > paused.order_version
    assert stored.acknowledged_version == paused.order_version
    assert stored.order_open


async def a_statement_waits_for_a_row(database_url: str) -> None:
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with (
        asyncio.timeout(HANGS),
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as observer,
    ):
        while not await (await observer.execute(waits)).fetchone():  # noqa: ASYNC110  # a server's fact
            await asyncio.sleep(0.01)

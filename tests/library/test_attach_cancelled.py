"""One cancellation ends an attached block, at any time while it begins."""

from __future__ import annotations

import asyncio

import pytest
from psycopg_pool import AsyncConnectionPool

from agent_sessions import SessionManager
from tests.library.conftest import Make
from tests.support.waiting import HANGS


async def works_for_ever(manager: SessionManager, session_id: str) -> None:
    async with manager.attach(session_id, complete=False):
        await asyncio.Event().wait()


@pytest.mark.parametrize("paused", [False, True], ids=["active", "paused"])
@pytest.mark.parametrize("database", [False, True])
async def test_a_cancellation_while_attach_connects_is_not_lost(
    another: Make, database: bool, paused: bool
) -> None:
    """A paused session too, in which attach waits for a resume that never comes."""
    first = await another(database=database)
    session = await first.create_session("grader")
    if paused:
        await first.pause(session.session_id, actor="olga", reason="wait")
    for n in range(60):
        fresh = await another(database=database)  # its clients connect with the first call
        task = asyncio.create_task(works_for_ever(fresh, session.session_id))
        for _ in range(n):
            await asyncio.sleep(0)
        task.cancel()
        assert (await asyncio.wait([task], timeout=HANGS))[0], n
        assert task.cancelled()
        await fresh.close()


async def test_a_cancellation_while_a_connection_is_waited_for_is_not_lost(
    manager: SessionManager, database_url: str
) -> None:
    """It comes at the moment at which the pool hands the connection over."""
    session = await manager.create_session("grader")
    await manager.pause(session.session_id, actor="olga", reason="wait")
    for n in range(8):
        async with AsyncConnectionPool(database_url, min_size=1, max_size=1, open=False) as pool:
            held = await pool.getconn()
            waiting = SessionManager(None, pool)
            task = asyncio.create_task(works_for_ever(waiting, session.session_id))
            while not pool.get_stats().get("requests_waiting"):  # noqa: ASYNC110  (no event tells it)
                await asyncio.sleep(0)
            await pool.putconn(held)
            for _ in range(n):
                await asyncio.sleep(0)
            task.cancel()
            assert (await asyncio.wait([task], timeout=HANGS))[0], n
            assert task.cancelled()
            await pool.putconn(await pool.getconn(timeout=HANGS))  # none is lost
            await waiting.close()

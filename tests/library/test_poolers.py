"""Behind a pooler in transaction mode the library works, or says what to change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from psycopg_pool import AsyncConnectionPool

from agent_sessions import SessionManager, StorageMisconfigured
from tests.library.transaction_pooler import TransactionPooler, is_mixing


@pytest.fixture
async def pooler(database_url: str) -> AsyncIterator[TransactionPooler]:
    async with TransactionPooler(database_url) as pooler:
        assert await is_mixing(pooler)
        yield pooler


async def test_many_agents_work_through_a_pooler(
    pooler: TransactionPooler, valkey_url: str, manager: SessionManager
) -> None:
    async def work(agents: SessionManager, n: int) -> str:
        session = await agents.create_session("grader", f"u{n}")
        for i in range(15):
            session.context["i"] = i
            session.checkpoint("step", {"i": i})
            await agents.update_session(session)
        await agents.heartbeat(session.session_id)
        return session.session_id

    async with await SessionManager.connect(pooler.url, valkey_url) as agents:
        ids = await asyncio.gather(*(work(agents, n) for n in range(24)))
        await agents.tick()
    for session_id in ids:
        stored = await manager.read(session_id)
        assert stored is not None
        assert (stored.context, stored.checkpoint_count) == ({"i": 14}, 16)


async def test_orders_are_given_and_stale_sessions_failed_through_a_pooler(
    pooler: TransactionPooler, manager: SessionManager
) -> None:
    session = await manager.create_session("grader")
    async with await SessionManager.connect(pooler.url) as through:
        for _ in range(8):
            await through.pause(session.session_id, actor="olga")
            await through.resume(session.session_id, actor="olga")
        assert await through.cleanup_stale_sessions() == 0
        assert [s.session_id for s in await through.get_active_sessions()] == [session.session_id]


async def test_no_setting_of_ours_stays_on_a_server_connection(pooler: TransactionPooler) -> None:
    async with await SessionManager.connect(pooler.url) as through:
        session = await through.create_session("grader")
        await through.pause(session.session_id, actor="olga")
    async with AsyncConnectionPool(
        pooler.url, min_size=3, kwargs={"prepare_threshold": None, "autocommit": True}, open=False
    ) as other:
        for _ in range(6):
            async with other.connection() as connection:
                cursor = await connection.execute(
                    "SELECT current_setting('lock_timeout'), (SELECT count(*) FROM pg_prepared_statements)"
                )
                assert await cursor.fetchone() == ("0", 0)


async def test_a_pool_with_prepared_statements_behind_a_pooler_is_refused_in_the_librarys_words(
    pooler: TransactionPooler,
) -> None:
    async def work(agents: SessionManager) -> None:
        session = await agents.create_session("grader")
        for i in range(30):
            session.checkpoint("step", {"i": i})
            await agents.update_session(session)

    async with AsyncConnectionPool(pooler.url, min_size=3, open=False) as pool:
        agents = SessionManager(db_pool=pool, retry_seconds=0.2)
        with pytest.raises(StorageMisconfigured, match="prepare_threshold"):
            await work(agents)
        await agents.close()

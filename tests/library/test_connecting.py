"""A failed connect leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket

import pytest
from psycopg import AsyncConnection

from agent_sessions import SessionManager, StorageUnavailable


@pytest.fixture
def nowhere() -> str:
    """The address of a port without a server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"postgresql://nobody@127.0.0.1:{server.getsockname()[1]}/nowhere"


async def test_a_connect_that_is_cancelled_leaves_no_task_behind(nowhere: str) -> None:
    before = asyncio.all_tasks()
    connecting = asyncio.create_task(SessionManager.connect(nowhere))
    await asyncio.sleep(0.1)
    assert len(asyncio.all_tasks()) > len(before) + 1
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert asyncio.all_tasks() == before


async def test_a_database_that_is_not_there_is_said_and_leaves_no_task_behind(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_sessions.pool.CONNECT_SECONDS", 0.5)
    before = asyncio.all_tasks()
    with pytest.raises(StorageUnavailable, match="did not answer"):
        await SessionManager.connect(nowhere)
    assert asyncio.all_tasks() == before


async def test_after_an_outage_that_killed_every_connection_the_next_calls_are_answered(
    database_url: str,
) -> None:
    async with await SessionManager.connect(database_url) as manager:
        pool = manager._store._pool  # type: ignore[attr-defined]
        taken = [await pool.getconn() for _ in range(pool.max_size)]
        killed = [connection.info.backend_pid for connection in taken]
        for connection in taken:
            await pool.putconn(connection)
        async with await AsyncConnection.connect(database_url, autocommit=True) as other:
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", (killed,)
            )
        sessions = await asyncio.gather(
            *(manager.create_session("grader", f"u{n}") for n in range(20))
        )
        assert len({session.session_id for session in sessions}) == 20
        async with pool.connection() as connection:
            assert connection.info.backend_pid not in killed

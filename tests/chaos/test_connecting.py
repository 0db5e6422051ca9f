"""A manager that never came to be leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket

import pytest

from agent_sessions import SessionManager, StorageUnavailable


@pytest.fixture
def nowhere() -> str:
    """A port that nobody serves."""
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
    monkeypatch.setattr("agent_sessions.manager.CONNECT_SECONDS", 0.5)
    before = asyncio.all_tasks()
    with pytest.raises(StorageUnavailable, match="did not answer"):
        await SessionManager.connect(nowhere)
    assert asyncio.all_tasks() == before

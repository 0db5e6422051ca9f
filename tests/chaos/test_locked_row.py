"""Somebody left a transaction open in psql: one row is locked, the others are not."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from agent_sessions import SessionManager, StorageUnavailable


async def test_a_locked_row_holds_up_itself_and_nobody_else(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_sessions.manager.LOCK_SECONDS", 0.3)
    async with await SessionManager.connect(database_url, retry_seconds=0.3) as manager:
        locked = await manager.create_session("grader")
        free = await manager.create_session("grader")
        locked.checkpoint("one")
        free.checkpoint("one")
        async with await psycopg.AsyncConnection.connect(database_url) as somebody:
            await somebody.execute(
                "SELECT 1 FROM agent_sessions WHERE id = %s FOR UPDATE", (locked.session_id,)
            )
            async with asyncio.timeout(20):
                refused, stored = await asyncio.gather(
                    manager.update_session(locked),
                    manager.update_session(free),
                    return_exceptions=True,
                )
            assert isinstance(refused, StorageUnavailable)
            assert stored is None
        await manager.update_session(locked)
        for session in (locked, free):
            names = [c.name for c in await manager.get_checkpoints(session.session_id)]
            assert names == ["session_created", "one"]

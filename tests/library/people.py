"""Actors of these tests, and functions that read stored data."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

from agent_sessions import SessionManager

OLGA: dict[str, Any] = {"actor": "olga", "reason": "the class is waiting"}
OTTO: dict[str, Any] = {"actor": "otto", "reason": "wrong essays"}

Sql = psycopg.AsyncConnection[Any]


async def rows(sql: Sql, statement: str, *values: Any) -> list[dict[str, Any]]:
    async with sql.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchall()


async def row(sql: Sql, session_id: str) -> dict[str, Any]:
    [found] = await rows(sql, "SELECT * FROM agent_sessions WHERE id = %s", session_id)
    return found


async def history(sql: Sql, session_id: str) -> list[dict[str, Any]]:
    return await rows(
        sql,
        "SELECT * FROM agent_session_history WHERE session_id = %s ORDER BY version",
        session_id,
    )


async def names(manager: SessionManager, session_id: str) -> list[str]:
    return [c.name for c in await manager.get_checkpoints(session_id)]

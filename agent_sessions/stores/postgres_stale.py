"""Fails silent sessions, a batch in a statement."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from agent_sessions.checkpoints import COMPRESS_AFTER
from agent_sessions.models import AgentSession, Head
from agent_sessions.stores.postgres_retry import PostgresAccess
from agent_sessions.stores.row_mappers import head_from_row
from agent_sessions.stores.sql import fetch
from agent_sessions.stores.sticky_connection import StickyConnection
from agent_sessions.write_commands import Decide, FailSilent


class PostgresStale(PostgresAccess):
    @asynccontextmanager
    async def fail_stale_batch(self) -> AsyncIterator[FailSilent]:
        """What fails one batch of the silent after the other, on one connection.

        Most of a batch in one statement: no row is locked while Python thinks. The others are locked, decided and
        stored in one commit; one that another transaction holds is left out. Repeated when the connection is lost.
        """
        async with StickyConnection(self._pool) as kept:
            yield partial(self._fail_silent, kept)

    async def _fail_silent(
        self,
        kept: StickyConnection,
        session_ids: Sequence[str],
        decide: Decide,
        now: datetime,
        max_age: timedelta,
    ) -> list[Head]:
        write = decide(AgentSession("", session_id="", last_heartbeat=now - max_age))
        if write is None:
            return []
        values = {
            "ids": list(session_ids),
            "now": now,
            "max_age": max_age,
            "most": COMPRESS_AFTER,
            "write": json.dumps(write.row()),
        }

        async def fail() -> list[dict[str, Any]]:
            async with kept.connection() as connection:
                rows = await fetch(connection, "fail_silent", values, prepare=True)
                await connection.commit()
                return rows

        rows = await self._again_while_lost(fail)
        failed = {str(row["id"]): head_from_row(row) for row in rows}
        left = [session_id for session_id in session_ids if session_id not in failed]
        if left:
            careful = partial(self._lock_and_write, kept, left, decide)
            return [*failed.values(), *await self._again_while_lost(careful)]
        return list(failed.values())

    async def _lock_and_write(
        self, kept: StickyConnection, session_ids: Sequence[str], decide: Decide
    ) -> list[Head]:
        async with kept.connection() as connection, connection.transaction():
            free = await fetch(connection, "lock_free_sessions", {"ids": list(session_ids)})
            ids = [str(row["id"]) for row in free]
            writes = map(decide, await self._read_each(connection, ids))
            rows = [write.row() for write in writes if write is not None]
            if not rows:
                return []
            written = await fetch(connection, "write_sessions", {"writes": json.dumps(rows)})
        return [head_from_row(row) for row in written]

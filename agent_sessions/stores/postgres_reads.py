"""What is read of sessions, none of it locked. Concurrent reads of whole sessions and heads share a statement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import psycopg_pool

from agent_sessions.batching import Batcher, BatchItem
from agent_sessions.edits import Writer
from agent_sessions.lease_owner import Owner
from agent_sessions.models import AgentSession, Head, SessionCheckpoint
from agent_sessions.stores.postgres_retry import PostgresAccess
from agent_sessions.stores.row_mappers import checkpoint_from_row, head_from_row, head_from_tuple
from agent_sessions.stores.sql import query

READ_AT_ONCE = 16  # sessions, each of which may have megabytes
SILENT_AT_ONCE = 200  # are fetched, and failed, while the rest is still looked for


class PostgresReads(PostgresAccess):
    def __init__(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Any],
        clock: Callable[[], datetime],
        *,
        retry_seconds: float = 5.0,
    ) -> None:
        super().__init__(pool, clock, retry_seconds=retry_seconds)
        # Reads have no order among them: each is a key of its own, so that none waits for another's answer.
        self._questions = count()
        self._heads: Batcher[str, Head | None] = Batcher(self._flush_heads)
        self._reads: Batcher[str, AgentSession | None] = Batcher(
            self._flush_reads, most=READ_AT_ONCE, in_flight=2
        )

    async def read(self, session_id: str) -> AgentSession | None:
        return await self._reads.submit(str(next(self._questions)), session_id)

    async def head(self, session_id: str) -> Head | None:
        return await self._heads.submit(str(next(self._questions)), session_id)

    async def heads(self, session_ids: list[str]) -> dict[str, Head]:
        async with self._connection() as connection:
            cursor = await connection.execute(query("read_heads"), {"ids": session_ids})
            return {row[0]: head_from_tuple(row) for row in await cursor.fetchall()}

    async def foreign_heads(self, session_ids: list[str]) -> list[Head]:
        return [
            head_from_row(row)
            for row in await self._rows("read_foreign_heads", {"ids": session_ids})
        ]

    async def owner(self, session_id: str) -> Owner | None:
        rows = await self._rows("read_owner", {"id": session_id})
        return Owner(**rows[0]) if rows else None

    async def active(
        self, agent_type: str | None, user_id: str | None, after: str, limit: int
    ) -> list[AgentSession]:
        rows = await self._rows(
            "read_active",
            {"agent_type": agent_type, "user_id": user_id, "after": after, "limit": limit},
        )
        return [self._session(row) for row in rows]

    async def stale(self, max_age: timedelta) -> AsyncIterator[str]:
        """The ids of the active sessions that were silent for longer, as they are found."""
        async with (
            self._connection() as connection,
            connection.transaction(),
            connection.cursor("silent") as cursor,
        ):
            cursor.itersize = SILENT_AT_ONCE
            await cursor.execute(query("read_stale"), {"max_age": max_age})
            async for (session_id,) in cursor:
                yield session_id

    async def checkpoints(self, session_id: str, after: int, limit: int) -> list[SessionCheckpoint]:
        rows = await self._rows(
            "read_checkpoints", {"id": session_id, "after": after, "limit": limit}
        )
        return [checkpoint_from_row(row) for row in rows]

    async def count_checkpoints(self, session_id: str, after: int) -> int:
        rows = await self._rows("count_checkpoints", {"id": session_id, "after": after})
        return int(rows[0]["n"])

    async def checkpoint(
        self, session_id: str, n: int
    ) -> tuple[SessionCheckpoint, int | None] | None:
        """The checkpoint and the version of the context captured with it."""
        rows = await self._rows("read_checkpoint", {"id": session_id, "n": n})
        return (checkpoint_from_row(rows[0]), rows[0]["context_version"]) if rows else None

    async def past_context(self, session_id: str, context_version: int) -> dict[str, Any] | None:
        rows = await self._rows("read_past_context", {"id": session_id, "version": context_version})
        return rows[0]["context"] if rows else None

    async def context_seen(self, session_id: str, version: int) -> dict[str, Any] | None:
        """The context as it was at a version of the session; None where it is not known any more."""
        rows = await self._rows("read_context_seen", {"id": session_id, "version": version})
        if not rows:
            return None
        context = rows[0]["context"]
        return context if isinstance(context, dict) else {}

    async def writers_since(self, session_id: str, version: int) -> list[Writer]:
        """Who wrote after a version, the newest first."""
        rows = await self._rows("read_writers_since", {"id": session_id, "version": version})
        return [
            Writer(row["actor"], row["source"], row["at"], row["paths"], row["context_restored"])
            for row in rows
        ]

    async def _flush_heads(self, group: Sequence[BatchItem[str, Head | None]]) -> None:
        heads = await self.heads(list({w.item for w in group}))
        for waiting in group:
            waiting.resolve(heads.get(waiting.item))

    async def _flush_reads(self, group: Sequence[BatchItem[str, AgentSession | None]]) -> None:
        async with self._connection() as connection:
            found = await self._read_each(connection, list({w.item for w in group}))
        sessions = {session.session_id: session for session in found}
        asked: set[str] = set()
        for waiting in group:
            session = sessions.get(waiting.item)
            if session is not None and waiting.item in asked:
                session = session.copy().mark_clean()
            asked.add(waiting.item)
            waiting.resolve(session)

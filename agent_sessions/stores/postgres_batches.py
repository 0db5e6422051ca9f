"""Writes and new sessions of concurrent callers, stored in one statement and one commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

import psycopg_pool

from agent_sessions.batching import Batcher, BatchItem, Flush
from agent_sessions.errors import SessionError, SessionNotFound, StorageUnavailable
from agent_sessions.stores import batch_writes
from agent_sessions.stores.batch_writes import PendingWrite
from agent_sessions.stores.postgres_transactions import PostgresTransactions
from agent_sessions.stores.sql import query
from agent_sessions.stores.sticky_connection import StickyConnection
from agent_sessions.write_commands import AppendCheckpoint, Decide, Rejected, Write, Written


class PostgresBatches(PostgresTransactions):
    def __init__(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Any],
        clock: Callable[[], datetime],
        *,
        retry_seconds: float = 5.0,
    ) -> None:
        super().__init__(pool, clock, retry_seconds=retry_seconds)
        self.writes: Batcher[Write | AppendCheckpoint, Written] = Batcher(
            run=self._writing, in_flight=2
        )
        self._creates: Batcher[str, str] = Batcher(run=self._creating, in_flight=2)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Flush[Write | AppendCheckpoint, Written]]:
        async with StickyConnection(self._pool) as kept:
            yield partial(self._flush_writes, kept)

    async def _flush_writes(
        self, kept: StickyConnection, group: Sequence[PendingWrite]
    ) -> Sequence[PendingWrite]:
        """Returns the writes whose row another transaction holds: they are tried again, and no other write waits for them."""
        try:
            async with kept.connection() as connection:
                left = await batch_writes.append(connection, group)
                return await batch_writes.write(connection, left) if left else []
        except SessionError as error:
            if len(group) > 1 or isinstance(error, StorageUnavailable):
                await asyncio.gather(*(self._settle(w) for w in group if not w.settled))
                return []
            raise

    async def _settle(self, waiting: PendingWrite) -> None:
        """One write of a group that failed as a whole, stored once whatever became of the group.

        What was stored before is rejected: the row may hold what others wrote since, which its writer has not seen.
        """
        write = batch_writes.as_write(waiting)
        try:
            stored = await self.transact(write.session_id, write.change_id, _as_guarded(write))
        except Exception as error:
            waiting.reject(Rejected() if isinstance(error, SessionNotFound) else error)
            return
        if stored.repeated:
            waiting.reject(Rejected())
        else:
            waiting.resolve(Written.of(stored.session))

    @asynccontextmanager
    async def _creating(self) -> AsyncIterator[Flush[str, str]]:
        async with StickyConnection(self._pool) as kept:
            yield partial(self._flush_creates, kept)

    async def _flush_creates(
        self, kept: StickyConnection, group: Sequence[BatchItem[str, str]]
    ) -> None:
        values = {"sessions": f"[{','.join(w.item for w in group)}]"}

        async def create() -> str:
            async with kept.connection() as connection:
                cursor = await connection.execute(query("create_sessions"), values)
                [(timeline,)] = await cursor.fetchall()
                await connection.commit()
                return str(timeline)

        timeline: str = await self._again_while_lost(create)
        for waiting in group:
            waiting.resolve(timeline)


def _as_guarded(write: Write) -> Decide:
    """The guards of write_sessions.sql hold here too: an unmet one must not look like nothing to do.

    It was sent before. Whether that was stored is asked under the lock; if it still comes it has no effect.
    """
    again = write.replace(seen=None, resent=True)
    return lambda session: again

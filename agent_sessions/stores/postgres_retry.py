"""Connections to PostgreSQL for one statement or one transaction, and what is tried again when one is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import psycopg_pool

from agent_sessions.backoff import Backoff
from agent_sessions.errors import StorageUnavailable
from agent_sessions.models import AgentSession
from agent_sessions.stores.row_mappers import number, session_from_row
from agent_sessions.stores.sql import Connection, errors_of_ours, fetch, query
from agent_sessions.stores.sticky_connection import give_back, take

logger = logging.getLogger(__name__)

RETRY = (0.05, 1.0)  # seconds between two attempts: the first, the longest


class PostgresAccess:
    def __init__(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Any],
        clock: Callable[[], datetime],
        *,
        retry_seconds: float = 5.0,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._retry_seconds = retry_seconds

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        with errors_of_ours():
            connection = await take(self._pool)
            try:
                async with connection:  # commits; the pool keeps it open
                    yield connection
            finally:
                await give_back(self._pool, connection)

    async def _rows(self, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        async with self._connection() as connection:
            return await fetch(connection, name, parameters)

    async def _execute(self, name: str, parameters: dict[str, Any]) -> None:
        async with self._connection() as connection:
            await connection.execute(query(name), parameters)

    async def _read(self, connection: Connection, session_id: str) -> AgentSession | None:
        found = await self._read_each(connection, [session_id])
        return found[0] if found else None

    async def _read_each(
        self, connection: Connection, session_ids: Sequence[str]
    ) -> list[AgentSession]:
        rows = await fetch(connection, "read_sessions", {"ids": list(session_ids)})
        sessions = [self._session(row) for row in rows]
        for session in sessions:
            if any(c.id is None for c in session.checkpoints):
                unnumbered = {"id": session.session_id}
                numbers = await fetch(connection, "read_checkpoint_numbers", unnumbered)
                number(session, numbers)
        return sessions

    def _session(self, row: dict[str, Any]) -> AgentSession:
        return session_from_row(row, self._clock)

    async def _again_while_lost(self, attempt: Callable[[], Any]) -> Any:
        """A lost connection leaves the outcome unknown: every attempt asks first whether it was stored."""
        deadline = asyncio.get_running_loop().time() + self._retry_seconds
        backoff = Backoff(*RETRY)
        while True:
            try:
                return await attempt()
            except StorageUnavailable as error:
                pause = backoff.next()
                if asyncio.get_running_loop().time() + pause > deadline:
                    raise
                logger.warning("trying again in %.2f s: %s", pause, error)
            await asyncio.sleep(pause)

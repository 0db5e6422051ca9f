"""The one LISTEN connection of this process: hears of every commit, and knows whether it still hears."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg

from .. import metrics
from .backoff import Backoff

log = logging.getLogger(__name__)

CHANNEL = "agent_sessions"
QUIET = 1.0
ANSWER = 3.0

Changes = list[tuple[str, int]]


class PostgresSource:
    """`proven_at` is when the server last answered: everything committed before has been heard."""

    def __init__(
        self,
        parameters: Callable[[], dict[str, Any]],
        *,
        heard: Callable[[Changes], None],
        connected: Callable[[], None],
        lost: Callable[[], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._parameters = parameters
        self._on_message, self._on_connected, self._on_lost = heard, connected, lost
        self._monotonic = monotonic
        self._backoff = Backoff()
        self.proven_at: float | None = None
        self.backend_pid: int | None = None

    async def run(self) -> None:
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError, TimeoutError) as error:
                self._went_away(error)
            await asyncio.sleep(self._backoff.next())

    def _went_away(self, error: Exception) -> None:
        metrics.RECONNECTS.labels("postgresql").inc()
        if self.proven_at is not None or self._backoff.failures == 0:
            log.warning("the feed lost PostgreSQL and will try again: %s", error)
        self.proven_at = self.backend_pid = None
        self._on_lost()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        async with asyncio.timeout(ANSWER + 2):
            connection = await psycopg.AsyncConnection.connect(
                **self._parameters(), autocommit=True
            )
        try:
            yield connection
        finally:
            await connection.close()

    async def _listen(self) -> None:
        async with self._connection() as connection:
            await self._ask(connection, f"LISTEN {CHANNEL}")
            self.backend_pid = connection.info.backend_pid
            self._on_connected()
            self._backoff.reset()
            while True:
                async with aclosing(connection.notifies(timeout=QUIET)) as notifies:
                    async for notify in notifies:
                        self._on_message(parse(notify.payload))
                await self._ask(connection, "SELECT 1")

    async def _ask(self, connection: psycopg.AsyncConnection[Any], question: str) -> None:
        async with asyncio.timeout(ANSWER):
            await connection.execute(question)
        self.proven_at = self._monotonic()


def parse(payload: str) -> Changes:
    """Anyone may NOTIFY: what is not ours is dropped, not believed."""
    try:
        return [
            (str(UUID(session_id)), version)
            for session_id, version in json.loads(payload)
            if _is_version(version)
        ]
    except (ValueError, TypeError, AttributeError, RecursionError):
        log.warning("a notification that is none of ours was dropped")
        return []


def _is_version(value: object) -> bool:
    return type(value) is int and 0 < value < 2**63

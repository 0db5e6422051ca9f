"""The process's one LISTEN connection, which is notified of every commit; a test notification a second verifies it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import Any
from uuid import UUID

import psycopg

from agent_sessions.backoff import Backoff

from .. import metrics

log = logging.getLogger(__name__)

CHANNEL = "agent_sessions"
QUIET = 1.0
ANSWER = 3.0
# A pooler invents process ids; a table without its triggers sends no notifications.
PROOF = """
SELECT pg_backend_pid() = %(pid)s AS direct, pg_notify(%(channel)s, %(word)s) IS NULL,
    3 = (SELECT count(*) FROM pg_trigger
         WHERE tgrelid = to_regclass('agent_sessions') AND tgenabled IN ('O', 'A')
           AND tgname IN ('agent_session_after_insert', 'agent_session_after_update',
                          'agent_session_after_delete')) AS announced
"""

Changes = list[tuple[str, int]]


class PostgresSource:
    """`proven_at` is the send time of the last test notification that arrived: earlier commits have arrived, too."""

    def __init__(
        self,
        parameters: Callable[[], dict[str, Any]],
        *,
        on_message: Callable[[Changes], None],
        on_connected: Callable[[], None],
        on_lost: Callable[[], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._parameters = parameters
        self._on_message, self._on_connected, self._on_lost = on_message, on_connected, on_lost
        self._monotonic = monotonic
        self._backoff = Backoff()
        self.proven_at: float | None = None
        self.backend_pid: int | None = None
        self._words = count()
        self._awaited: tuple[str, float] | None = None

    async def run(self) -> None:
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError, TimeoutError) as error:
                self._lost(error)
            await asyncio.sleep(self._backoff.next())

    def _lost(self, error: Exception) -> None:
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
            self._awaited = None
            own = f"{CHANNEL}_{connection.info.backend_pid}"
            async with asyncio.timeout(ANSWER):
                await connection.execute(f"LISTEN {CHANNEL}; LISTEN {own}")
            self.backend_pid = connection.info.backend_pid
            while True:
                await self._ask_for_proof(connection, own)
                async with aclosing(connection.notifies(timeout=QUIET)) as notifies:
                    async for notify in notifies:
                        self._on_notify(notify)

    async def _ask_for_proof(self, connection: psycopg.AsyncConnection[Any], own: str) -> None:
        """Raises TimeoutError if the last test has not arrived: notifications of commits would be lost, too."""
        now = self._monotonic()
        if self._awaited is not None and now - self._awaited[1] > ANSWER:
            raise TimeoutError("notifications do not arrive")
        if self._awaited is None:
            self._awaited = (str(next(self._words)), now)
        words = {"pid": connection.info.backend_pid, "channel": own, "word": self._awaited[0]}
        async with asyncio.timeout(ANSWER):
            found = await (await connection.execute(PROOF, words)).fetchone()
        if not found or not found[0]:
            raise psycopg.OperationalError(
                "there is a pooler in between: notifications do not arrive"
            )
        if not found[2]:
            raise psycopg.OperationalError(
                "agent_sessions lacks triggers: changes are not notified"
            )

    def _on_notify(self, notify: psycopg.Notify) -> None:
        if notify.channel == CHANNEL:
            self._on_message(parse(notify.payload))
        elif self._awaited is not None and notify.payload == self._awaited[0]:
            self.proven_at, connected = self._awaited[1], self.proven_at is not None
            self._awaited = None
            if not connected:
                self._backoff.reset()
                self._on_connected()


def parse(payload: str) -> Changes:
    """Any client may NOTIFY: invalid payloads are dropped."""
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

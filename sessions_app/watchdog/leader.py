"""Leader election: the process whose connection holds the advisory lock is the leader."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

logger = logging.getLogger(__name__)

LOST = (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError, OSError)

# A hung process or a lost machine must not remain leader: its database session times out.
_SETTINGS = """
SET statement_timeout = '15s'; SET lock_timeout = '2s'; SET idle_session_timeout = '60s';
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3
"""
_TAKE = "SELECT pg_try_advisory_lock(hashtext('agent_session_sweeper'))"
_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"


class Leader:
    """Every method raises one of LOST if the connection, and with it the lock, is lost."""

    def __init__(self, parameters: Callable[[], dict[str, Any]]) -> None:
        self._parameters = parameters
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self.is_leader = False

    async def acquire(self) -> bool:
        """Whether this process is the leader now."""
        if self._connection is None or self._connection.closed:
            self.is_leader = False
            self._connection = await psycopg.AsyncConnection.connect(
                **self._parameters(), autocommit=True
            )
            await self._connection.execute(_SETTINGS)
        if not self.is_leader:
            [[self.is_leader]] = await self.rows(_TAKE)
        return self.is_leader

    async def clock(self) -> float:
        [[now]] = await self.rows(_CLOCK)
        return float(now)

    async def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if self._connection is None:
            raise psycopg.InterfaceError("there is no connection")
        cursor = await self._connection.execute(sql, parameters or None)
        return await cursor.fetchall() if cursor.description else []

    async def release(self) -> None:
        """The lock ends with the connection, too; releasing it lets the next process take it at once."""
        connection, self._connection, held, self.is_leader = (
            self._connection,
            None,
            self.is_leader,
            False,
        )
        if connection is None:
            return
        try:
            if held and not connection.closed:
                async with asyncio.timeout(2):
                    await connection.execute("SELECT pg_advisory_unlock_all()")
        except LOST as error:
            logger.debug("the lock was not released explicitly: %s", error)
        finally:
            await connection.close()

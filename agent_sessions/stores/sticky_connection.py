"""One connection of a pool for several statements in a row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import psycopg
import psycopg_pool

from agent_sessions.forked import in_use
from agent_sessions.stores.sql import errors_of_ours
from agent_sessions.tasks import cancellable


async def take(pool: psycopg_pool.AsyncConnectionPool[Any]) -> psycopg.AsyncConnection[Any]:
    connection: psycopg.AsyncConnection[Any] = await cancellable(pool.getconn(), pool.putconn)
    in_use.add(connection)
    return connection


async def give_back(
    pool: psycopg_pool.AsyncConnectionPool[Any], connection: psycopg.AsyncConnection[Any]
) -> None:
    """Does nothing in a forked child process, where the copy was cut off: the pool would open another connection for it."""
    if connection in in_use:
        in_use.discard(connection)
        await pool.putconn(connection)


class StickyConnection:
    """A connection that is fetched when it is needed first and given back at the end, or when something failed on it.

    A pool hands out its connections in turn, so that every group would run in another server process, whose caches are cold.
    """

    def __init__(self, pool: psycopg_pool.AsyncConnectionPool[Any]) -> None:
        self._pool = pool
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._give_back()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Raises a SessionError where psycopg raised; the connection is given back then."""
        with errors_of_ours():
            if self._connection is None:
                self._connection = await take(self._pool)
            try:
                yield self._connection
            except BaseException:
                await self._give_back()
                raise

    async def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await give_back(self._pool, connection)

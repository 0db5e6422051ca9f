"""The manager's own pool, which never hands out a connection that broke in an outage."""

from __future__ import annotations

from typing import Any

import psycopg
import psycopg_pool
from psycopg.conninfo import conninfo_to_dict

from agent_sessions.basic_errors import InvalidInput, StorageUnavailable

Pool = psycopg_pool.AsyncConnectionPool[Any]
CONNECT_SECONDS = 10.0
LOCK_TIMEOUT = "5s"  # how long a write waits for a row that another transaction (psql) has locked


async def open_pool(database_url: str) -> Pool:
    """Raises InvalidInput for what is no address, StorageUnavailable when PostgreSQL does not answer."""
    settings = _connection_settings(database_url)

    async def alive(connection: psycopg.AsyncConnection[Any]) -> None:
        """The pool discards one dead connection at a time and waits 1, 2, 4 s between them; this checks all."""
        try:
            await psycopg_pool.AsyncConnectionPool.check_connection(connection)
        except psycopg.OperationalError:
            await pool.check()
            raise

    pool: Pool = psycopg_pool.AsyncConnectionPool(
        database_url, min_size=1, max_size=8, open=False, timeout=5.0,
        kwargs=settings,
        configure=_configure,
        check=alive,
        # By default the pool doubles its waits: after an outage of a minute it could wait another one.
        reconnect_timeout=1.0, reconnect_failed=psycopg_pool.AsyncConnectionPool.check,
    )  # fmt: skip
    try:
        await pool.open(wait=True, timeout=CONNECT_SECONDS)
    except BaseException as error:
        await pool.close()
        if isinstance(error, psycopg_pool.PoolTimeout):
            reason = await _why_unreachable(database_url, settings) or error
            raise StorageUnavailable(f"PostgreSQL did not answer: {reason}") from error
        raise
    return pool


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    """Behind a pooler (pgbouncer) a server connection serves many clients, so nothing is set on it.

    A pooler is detected by the process id that it invents for its clients.
    """
    cursor = await connection.execute("SELECT pg_backend_pid()")
    if await cursor.fetchone() != (connection.info.backend_pid,):
        connection.prepare_threshold = None
        return
    await connection.execute("SELECT set_config('lock_timeout', %s, false)", (LOCK_TIMEOUT,))


async def limit_lock_wait(connection: psycopg.AsyncConnection[Any]) -> None:
    """In a transaction behind a pooler, where the limit could not be set once for the connection."""
    if connection.prepare_threshold is None:
        await connection.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))


async def _why_unreachable(database_url: str, settings: dict[str, Any]) -> psycopg.Error | None:
    """The pool's own error says only that no connection was available in time."""
    try:
        await (await psycopg.AsyncConnection.connect(database_url, **settings)).close()
    except psycopg.Error as error:
        return error
    return None


def _connection_settings(database_url: str) -> dict[str, Any]:
    """Settings that the address leaves open. A vanished server is detected within about 10 s."""
    try:
        said = conninfo_to_dict(database_url)
    except psycopg.ProgrammingError as error:
        raise InvalidInput(f"the database's address cannot be read: {error}") from None
    settings = {
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    return {"autocommit": True} | {k: v for k, v in settings.items() if k not in said}

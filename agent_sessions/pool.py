"""The connections of a manager that opens its own: what died in an outage is never handed to a caller."""

from __future__ import annotations

from typing import Any

import psycopg
import psycopg_pool
from psycopg.conninfo import conninfo_to_dict

from agent_sessions.errors import StorageUnavailable
from agent_sessions.group_writes import wait_for_no_lock_for_ever

Pool = psycopg_pool.AsyncConnectionPool[Any]
CONNECT_SECONDS = 10.0


async def open_pool(database_url: str) -> Pool:
    """Raises StorageUnavailable when PostgreSQL does not answer."""

    async def alive(connection: psycopg.AsyncConnection[Any]) -> None:
        """The pool throws one dead connection away and waits 1, 2, 4 s for the next: here all are looked at."""
        try:
            await psycopg_pool.AsyncConnectionPool.check_connection(connection)
        except psycopg.OperationalError:
            await pool.check()
            raise

    pool: Pool = psycopg_pool.AsyncConnectionPool(
        database_url, min_size=1, max_size=8, open=False, timeout=5.0,
        kwargs=_connection_settings(database_url),
        configure=wait_for_no_lock_for_ever,
        check=alive,
        # Left to itself the pool waits twice as long each time: after an outage of a minute one more.
        reconnect_timeout=1.0, reconnect_failed=psycopg_pool.AsyncConnectionPool.check,
    )  # fmt: skip
    try:
        await pool.open(wait=True, timeout=CONNECT_SECONDS)
    except BaseException as error:
        await pool.close()
        if isinstance(error, psycopg_pool.PoolTimeout):
            raise StorageUnavailable(f"PostgreSQL did not answer: {error}") from error
        raise
    return pool


def _connection_settings(database_url: str) -> dict[str, Any]:
    """What the address does not say. A server that is gone without a word is noticed within seconds."""
    said = conninfo_to_dict(database_url)
    settings = {
        "connect_timeout": 5,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    return {"autocommit": True} | {k: v for k, v in settings.items() if k not in said}

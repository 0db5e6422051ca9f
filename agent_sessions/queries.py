"""The library's SQL, one file a query, read once, and what goes wrong with it in the library's words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from importlib import resources
from typing import Any

import psycopg
import psycopg_pool
from psycopg import errors
from psycopg.rows import dict_row

from agent_sessions.errors import InvalidInput, StorageUnavailable
from agent_sessions.kept import Kept

Connection = psycopg.AsyncConnection[Any]

# The connection, not the statement, is at fault: what was sent may or may not have been committed.
LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolClosed)
# A database that is just being restored, or was not migrated.
LACKING = (errors.UndefinedTable, errors.UndefinedFunction, errors.UndefinedColumn)
# One statement writes whatever its input is.
WRITES = {"write_sessions": "given_writes", "fail_silent": "silent_writes"}


@cache
def query(name: str) -> str:
    if name in WRITES:
        return _text("write_sessions").replace("{writes}", _text(WRITES[name]))
    return _text(name)


def _text(name: str) -> str:
    return resources.files("agent_sessions.sql").joinpath(f"{name}.sql").read_text("utf-8")


async def fetch(
    connection: Connection, name: str, parameters: dict[str, Any], *, prepare: bool | None = None
) -> list[dict[str, Any]]:
    """`prepare`: it comes again on this connection, so that it is worth parsing at once; else psycopg decides."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query(name), parameters, prepare=prepare)
        return await cursor.fetchall()


@asynccontextmanager
async def connection_of(kept: Kept) -> AsyncIterator[Connection]:
    with errors_of_ours():
        async with kept.connection() as connection:
            yield connection


@contextmanager
def errors_of_ours() -> Iterator[None]:
    try:
        yield
    except LOST as error:
        raise StorageUnavailable(f"PostgreSQL did not answer: {error}") from error
    except LACKING as error:
        raise StorageUnavailable(
            f"the database lacks what this library needs: migrate it, or wait for a restore to end ({error})"
        ) from error
    except psycopg.DataError as error:
        raise InvalidInput(f"PostgreSQL refused the value: {error}") from error

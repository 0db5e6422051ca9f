"""The library's SQL, one file a query, read once; errors of psycopg become errors of this library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

import psycopg
import psycopg_pool
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from agent_sessions.basic_errors import (
    InvalidInput,
    SessionError,
    StorageMisconfigured,
    StorageUnavailable,
)
from agent_sessions.stored_values import TimeLoader, read_json

Connection = psycopg.AsyncConnection[Any]

# The connection, not the statement, is at fault: what was sent may or may not have been committed.
LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolClosed)
# A server that takes no writes (a standby, default_transaction_read_only) counts as away.
TAKES_NO_WRITES = (psycopg.errors.ReadOnlySqlTransaction,)
# A prepared statement of another client answered: a pooler hands one server connection to many.
MIXED_UP = (
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.DuplicatePreparedStatement,
    psycopg.errors.ProtocolViolation,
)
# A database that is just being restored, or was not migrated.
LACKING = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedColumn,
)
# By the name of a query: the file with the input of write_sessions.sql, the one statement that writes.
WRITES = {
    "write_sessions": "write_input",
    "fail_silent": "silent_writes",
    "acknowledge": "acknowledgement_writes",
}


@cache
def query(name: str) -> str:
    if name in WRITES:
        return _text("write_sessions").replace("{writes}", _text(WRITES[name]))
    return _text(name)


def _text(name: str) -> str:
    return resources.files("agent_sessions.sql.queries").joinpath(f"{name}.sql").read_text("utf-8")


async def fetch(
    connection: Connection, name: str, parameters: dict[str, Any], *, prepare: bool | None = None
) -> list[dict[str, Any]]:
    """`prepare`: it comes again on this connection, so that it is worth parsing at once; else psycopg decides."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        set_json_loads(read_json, cursor)
        cursor.adapters.register_loader("timestamptz", TimeLoader)
        await cursor.execute(query(name), parameters, prepare=prepare)
        return await cursor.fetchall()


@contextmanager
def errors_of_ours() -> Iterator[None]:
    """No error of psycopg leaves the library."""
    try:
        yield
    except (psycopg.Error, psycopg_pool.PoolClosed) as error:
        raise as_session_error(error) from error


def as_session_error(error: Exception) -> SessionError:
    if isinstance(error, (*LOST, psycopg_pool.PoolClosed)):
        return StorageUnavailable(f"PostgreSQL did not answer: {error}")
    if isinstance(error, TAKES_NO_WRITES):
        return StorageUnavailable(f"PostgreSQL takes no writes at the moment: {error}")
    if isinstance(error, MIXED_UP):
        return StorageMisconfigured(
            f"PostgreSQL is reached through a pooler that mixes up prepared statements ({error}): use"
            " SessionManager.connect, which recognises a pooler, or make your pool with"
            " kwargs={'prepare_threshold': None}"
        )
    if isinstance(error, LACKING):
        return StorageUnavailable(
            f"the database lacks what this library needs: migrate it, or wait for a restore to end ({error})"
        )
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        return InvalidInput(f"PostgreSQL refused the value: {error}", "refused_value")
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return StorageMisconfigured(
            f"PostgreSQL refused this log-in: {error}; give it a role of agent_sessions"
            " (docs/operations.md, Roles in PostgreSQL), and run migrate again"
        )
    if isinstance(error, psycopg.ProgrammingError):
        return StorageMisconfigured(
            f"the database does not fit this version of agent_sessions: {error}; run"
            " “python -m agent_sessions migrate DATABASE_URL” or “manage.py migrate”"
        )
    return StorageUnavailable(f"PostgreSQL could not do it: {error}")

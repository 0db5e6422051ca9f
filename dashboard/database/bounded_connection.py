"""A connection whose wait for an answer can be bounded: a stopped server keeps connections open and never answers."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, OperationalError
from psycopg.abc import RV, PQGen
from psycopg_pool import ConnectionPool

CHECK_SECONDS = 5.0


class NoAnswer(OperationalError):
    """The server holds the connection open and does not answer."""


class BoundedConnection(Connection[Any]):
    at_most: float | None = None
    """Seconds for each answer; None waits for as long as the connection is open."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        return super().wait(gen, interval, self.at_most if timeout is None else timeout)


def check(connection: BoundedConnection) -> None:
    """Raises OperationalError if it died, and NoAnswer if none comes within CHECK_SECONDS; then it is closed."""
    connection.at_most = CHECK_SECONDS
    try:
        ConnectionPool.check_connection(connection)
    except OperationalError as error:
        if connection.closed:
            raise
        connection.close()
        raise NoAnswer(str(error)) from error
    finally:
        connection.at_most = None

"""PostgreSQL as Django knows it, with two differences.

A connection that died in an outage is never handed to a request. The pool's own check (`CONN_HEALTH_CHECKS`)
throws away one dead connection at a time and waits 1, 2, 4 s between them: after a restart of PostgreSQL with ten
idle connections the first requests all run into the pool's timeout. Here the first dead one has all the idle ones
looked at.

Times are read by psycopg's compiled loader, in a seventh of the time: Django's own is made from the one in Python,
and a list page has 350 of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from django.db.backends.postgresql import base
from django.db.utils import OperationalError
from psycopg import OperationalError as Broken
from psycopg import adapters
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.pq import Format
from psycopg_pool import ConnectionPool

ATTEMPTS = 3  # another may die while the idle ones are looked at; more than twice is another outage


class TimeLoader(Loader):
    """`timezone` is what Django compares: of a connection in another time zone it reads times by itself."""

    timezone = UTC

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        compiled = cast(type[Loader], adapters.get_loader(oid, Format.TEXT))
        self._compiled = compiled(oid, context)

    def load(self, data: Buffer) -> datetime:
        moment: datetime = self._compiled.load(data)
        return moment


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        params["context"] = AdaptersMap(params["context"].adapters)  # Django's is shared
        params["context"].register_loader("timestamptz", TimeLoader)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        for _ in range(ATTEMPTS):
            connection = super().get_new_connection(conn_params)
            try:
                ConnectionPool.check_connection(connection)
            except Broken:
                self.pool.putconn(connection)
                self.pool.check()
            else:
                return connection
        raise OperationalError("PostgreSQL ends each connection as soon as it is made")

"""PostgreSQL as Django knows it, with two differences.

A connection that died in an outage is never handed to a request. The pool's own check (`CONN_HEALTH_CHECKS`)
throws away one dead connection at a time and waits 1, 2, 4 s between them: after a restart of PostgreSQL with ten
idle connections the first requests all run into the pool's timeout. Here the first dead one has all the idle ones
looked at.

A time that Python cannot hold is read as the nearest that can be shown. The loader that does this is psycopg's compiled
one, where Django's is made from the one in Python: a seventh of the time for each of a list page's 350 times, which of
the whole page is less than can be measured.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.db.backends.postgresql import base
from django.db.utils import OperationalError
from psycopg import OperationalError as Broken
from psycopg.adapt import AdaptersMap
from psycopg_pool import ConnectionPool

from agent_sessions.stored_values import TimeLoader

ATTEMPTS = 3  # another may die while the idle ones are looked at; more than twice is another outage


class ShownTimeLoader(TimeLoader):
    """`timezone` is what Django compares: of a connection in another time zone it reads times by itself."""

    timezone = UTC


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        params["context"] = AdaptersMap(params["context"].adapters)  # Django's is shared
        params["context"].register_loader("timestamptz", ShownTimeLoader)
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

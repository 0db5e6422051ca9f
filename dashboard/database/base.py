"""Django's PostgreSQL backend with three differences.

No request gets a connection that died in an outage. The pool's own check (`CONN_HEALTH_CHECKS`)
discards one dead connection at a time and waits 1, 2, 4 s between them: after a restart of
PostgreSQL with ten idle connections the first requests all reach the pool's timeout. Here the first
dead connection causes a check of all idle ones.

No request begins on a server that is stopped: it keeps its connections open without answering, and a request would
wait for as long. The check at the start of each request is bounded; what was begun before waits.

Timestamps outside of Python's range are read as the nearest valid one. The loader is based on
psycopg's compiled one, which takes a seventh of the time of Django's Python loader. A list page
reads 350 timestamps; of its total time the gain is too small to measure.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.db.backends.postgresql import base
from django.db.utils import OperationalError
from psycopg import OperationalError as Broken
from psycopg.adapt import AdaptersMap

from agent_sessions.stored_values import TimeLoader

from . import bounded_connection
from .bounded_connection import NoAnswer

ATTEMPTS = 3  # another one may die during the check; a third one means a new outage


class ShownTimeLoader(TimeLoader):
    """Reads timestamps as UTC. Where a connection's time zone is not `timezone`, Django uses its own loader."""

    timezone = UTC


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        # a copy: Django shares its adapters between connections
        params["context"] = AdaptersMap(params["context"].adapters)
        params["context"].register_loader("timestamptz", ShownTimeLoader)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        for _ in range(ATTEMPTS):
            connection = super().get_new_connection(conn_params)
            try:
                bounded_connection.check(connection)
            except Broken as error:
                self.pool.putconn(connection)
                if isinstance(error, NoAnswer):
                    raise OperationalError("PostgreSQL does not answer") from error
                self.pool.check()
            else:
                return connection
        raise OperationalError("PostgreSQL ends each connection as soon as it is made")

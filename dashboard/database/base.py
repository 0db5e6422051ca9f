"""A connection that died in an outage is never handed to a request.

The pool's own check (`CONN_HEALTH_CHECKS`) throws away one dead connection at a time and waits 1, 2, 4 s
between them: after a restart of PostgreSQL with ten idle connections the first requests all run into the
pool's timeout. Here the first dead one has all the idle ones looked at.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base
from django.db.utils import OperationalError
from psycopg import OperationalError as Broken
from psycopg_pool import ConnectionPool

ATTEMPTS = 3  # another may die while the idle ones are looked at; more than twice is another outage


class DatabaseWrapper(base.DatabaseWrapper):
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

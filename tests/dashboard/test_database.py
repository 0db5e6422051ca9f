"""The dashboard's connections after an outage of PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from django.db import connection

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = 12


def open_many() -> list[int]:
    """Opens many connections at once, as pages do, and returns them to the pool."""
    together = Barrier(PAGES, timeout=30)

    def one() -> int:
        pid = backend()
        together.wait()
        connection.close()
        return pid

    with ThreadPoolExecutor(PAGES) as threads:
        return [page.result() for page in [threads.submit(one) for _ in range(PAGES)]]


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_after_an_outage_that_killed_every_idle_connection_the_first_request_is_answered(
    database_url: str,
) -> None:
    connection.close()
    idle = open_many()
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", (idle,))
    assert backend() not in idle

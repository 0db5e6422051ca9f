"""Timestamps are read from PostgreSQL as Django itself reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.backends.postgresql.psycopg_any import register_tzloader
from psycopg import postgres
from psycopg.pq import Format

from dashboard.database.base import ShownTimeLoader

pytestmark = pytest.mark.django_db

TIMES = (
    "2026-11-21 18:49:48+00", "2026-11-21 18:49:48.000001+00", "2026-11-21 18:49:48.12+02",
    "2026-03-29 02:30:00+05:30", "0002-01-01 00:00:00+00", "9999-01-01 00:00:00+00",
)  # fmt: skip


def read(*times: str, as_django: bool = False) -> list[datetime]:
    with connection.cursor() as cursor:
        if as_django:
            register_tzloader(UTC, cursor.cursor)
        cursor.execute("SELECT t FROM unnest(%s::timestamptz[]) AS t", [list(times)])
        return [moment for (moment,) in cursor.fetchall()]


def test_times_are_read_as_django_reads_them() -> None:
    found = read(*TIMES)
    assert found == read(*TIMES, as_django=True)
    assert {moment.tzinfo for moment in found} == {UTC}


def test_they_are_read_by_the_compiled_loader() -> None:
    connection.ensure_connection()
    found = connection.connection.adapters.get_loader(
        postgres.types["timestamptz"].oid, Format.TEXT
    )
    assert found is ShownTimeLoader


def test_a_connection_in_another_time_zone_reads_times_in_that_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    monkeypatch.setattr(connection, "timezone", berlin)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL timezone TO 'Europe/Berlin'")
        cursor.execute("SELECT '2026-07-01 12:00:00+00'::timestamptz")
        (moment,) = cursor.fetchone()
    assert (moment.tzinfo, moment.hour) == (berlin, 14)


@pytest.mark.parametrize(
    ("stored", "year"),
    [
        ("infinity", 9999),
        ("12026-01-01 00:00:00+00", 9999),
        ("9999-12-31 23:59:59.999999+00", 9999),
        ("-infinity", 2),
        ("4713-01-01 00:00:00+00 BC", 2),
        ("0001-01-01 00:00:00+00", 2),
    ],
)
def test_a_time_that_no_page_can_show_is_read_as_the_nearest_that_can(
    stored: str, year: int
) -> None:
    (moment,) = read(stored)
    assert moment == datetime(year, 1, 1, tzinfo=UTC)

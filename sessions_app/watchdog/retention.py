"""Retention. History is dropped in whole months, deleted sessions after their time in the trash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, DateTimeField, F, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from ..numbers import MAX_DAYS

BATCH = 500

# The time of deletion: that of the order, for old agents that of the last change.
DELETED_AT = Case(
    When(order_verb="delete", then=F("ordered_at")),
    default=Coalesce("updated_at", "ended_at", "created_at"),
    output_field=DateTimeField(),
)
_PARTITIONS = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), pg_total_relation_size(c.oid)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'agent_session_history'::regclass
  AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT' ORDER BY c.relname
"""
# Materialised: joined to a table that looks empty, the limited query would run once for each row.
_PURGE_SESSIONS = """
WITH gone AS MATERIALIZED (
    SELECT id FROM agent_sessions
    WHERE state = 'deleted' AND CASE WHEN order_verb = 'delete' THEN ordered_at
        ELSE coalesce(updated_at, ended_at, created_at) END < now() - make_interval(days => %(days)s)
    ORDER BY created_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
DELETE FROM agent_sessions USING gone WHERE agent_sessions.id = gone.id
"""
_PURGE_CONTEXTS = """
SELECT last_session::text, last_version, purged
FROM agent_session_purge_contexts(%(session_id)s, %(version)s, %(days)s, %(batch)s)
"""
_PURGE_BLINDNESS = "DELETE FROM agent_session_blindness WHERE ended_at < now() - interval '90 days'"


def trash_days() -> int:
    return int(getattr(settings, "TRASH_DAYS", 30))


@dataclass(frozen=True, slots=True)
class Month:
    name: str
    first: datetime
    size: int
    entries: int = 0

    @property
    def next(self) -> datetime:
        return (self.first + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Purged:
    sessions: int
    contexts: int


class Refused(ValueError):
    """The request would remove more than is allowed."""


def months() -> list[Month]:
    """The history's partitions, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS)
        found = [(name, _first(name), size) for name, _bounds, size in cursor.fetchall()]
    return [Month(name, first, size) for name, first, size in found if first is not None]


def _first(partition: str) -> datetime | None:
    try:
        return datetime.strptime(partition[-7:], "%Y_%m").replace(tzinfo=UTC)
    except ValueError:
        return None


def droppable(before: datetime) -> list[Month]:
    """Whole months before that one. Raises Refused if the current one would be among them."""
    now = datetime.now(UTC)
    if before > now:
        raise Refused(
            _("%(month)s is not over: the newest month that can be dropped is the last one.")
            % {"month": f"{before - timedelta(days=1):%Y-%m}"}
        )
    return [month for month in months() if month.next <= before]


def drop(month: Month) -> Month:
    """Removes one month of history, or nothing if it stays locked for too long."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '5s'")
        cursor.execute("SELECT agent_session_drop_history(%s)", [month.name])
        entries = cursor.fetchone()[0]
    return Month(month.name, month.first, month.size, entries)


def strays(before: datetime) -> int:
    """Entries of months without a partition; they stay until one is created."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM agent_session_history_default WHERE at < %s", [before])
        return int(cursor.fetchone()[0])


def purge(
    days: int, *, actor: str = "sweeper", source: str = "sweeper", reason: str = ""
) -> Purged:
    """Removes sessions that have been in the trash for more than `days`, and past contexts that nothing refers to."""
    if not 1 <= days <= MAX_DAYS:
        raise Refused(_("Days: 1 to %(high)d are possible.") % {"high": MAX_DAYS})
    with connection.cursor() as cursor:
        cursor.execute(_PURGE_BLINDNESS)
    return Purged(sum(_sessions(days, actor, source, reason)), sum(_contexts(days)))


def _sessions(days: int, actor: str, source: str, reason: str) -> Iterator[int]:
    gone = BATCH
    while gone == BATCH:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('agent_sessions.actor', %s, true),"
                " set_config('agent_sessions.source', %s, true),"
                " set_config('agent_sessions.reason', %s, true)",
                [actor, source, reason],
            )
            cursor.execute(_PURGE_SESSIONS, {"days": days, "batch": BATCH})
            gone = cursor.rowcount
        yield gone


def _contexts(days: int) -> Iterator[int]:
    at: tuple[str, int] | None = ("00000000-0000-0000-0000-000000000000", 0)
    while at is not None:
        with connection.cursor() as cursor:
            cursor.execute(
                _PURGE_CONTEXTS,
                {"days": days, "batch": BATCH, "session_id": at[0], "version": at[1]},
            )
            row = cursor.fetchone()
        at = (row[0], row[1]) if row and row[0] else None
        yield row[2] or 0 if row else 0

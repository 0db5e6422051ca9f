"""One row of the list: read in one query, drawn by one template, for the page and for the feed alike."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from html import escape
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import BooleanField, OuterRef, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import JSONObject, Left, Now
from django.template.loader import get_template
from django.utils import translation
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from ..conditions import PROGRESSED
from ..health import WATCHED_FOR_SILENCE, Health, Rule, health, is_without_agent, rule_for
from ..models import AgentSession, Checkpoint
from ..rendering import time_format
from ..watchdog.retention import trash_days

COLUMNS = (
    "id", "version", "state", "agent_type", "user_id", "created_at", "updated_at", "last_heartbeat",
    "ended_at", "order_version", "order_verb", "order_actor", "ordered_at", "acknowledged_version",
    "refused_writes", "checkpoint_count", "parts", "parts_at_work",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    id: UUID
    version: int
    state: str
    agent_type: str
    user_id: str
    created_at: datetime | None
    updated_at: datetime | None
    last_heartbeat: datetime | None
    last_progress: datetime | None
    ended_at: datetime | None
    order_version: int
    order_verb: str | None
    order_actor: str | None
    ordered_at: datetime | None
    acknowledged_version: int
    refused_writes: int
    checkpoint_count: int
    checkpoint_name: str
    checkpoint_at: datetime | None
    read_at: datetime
    parts: int | None = None
    parts_at_work: int | None = None

    @property
    def short_id(self) -> str:
        return str(self.id)[:8]

    @property
    def order_open(self) -> bool:
        return self.order_version > self.acknowledged_version

    @property
    def removal_at(self) -> datetime | None:
        """When the trash is emptied of it; says the same as `retention.DELETED_AT`."""
        if self.state != "deleted":
            return None
        ordered = self.ordered_at if self.order_verb == "delete" else None
        since = ordered or self.updated_at or self.ended_at or self.created_at
        return since and since + timedelta(days=trash_days())

    @property
    def pausing(self) -> bool:
        return self.order_open and self.order_verb == "pause" and self.state == "paused"

    @property
    def rule(self) -> Rule:
        return rule_for(self.agent_type, settings.HEARTBEAT_RULES)

    @property
    def health(self) -> Health:
        return health(self, settings.HEARTBEAT_RULES, self.read_at)

    @property
    def without_agent(self) -> bool:
        return is_without_agent(self, settings.HEARTBEAT_RULES, self.read_at)

    @property
    def watched(self) -> bool:
        return self.state in WATCHED_FOR_SILENCE

    @property
    def duration(self) -> timedelta | None:
        if self.created_at is None:
            return None
        return max((self.ended_at or self.read_at) - self.created_at, timedelta())


def with_row_columns(sessions: QuerySet[AgentSession]) -> QuerySet[AgentSession, dict[str, Any]]:
    newest = Checkpoint.objects.filter(session_id=OuterRef("id")).order_by("-n")
    last = newest.values(found=JSONObject(n="n", name=Left("name", 200), at="at"))[:1]
    annotated = sessions.annotate(
        last_checkpoint=Subquery(last), progressed=PROGRESSED, read_at=Now()
    )
    found: QuerySet[AgentSession, dict[str, Any]]
    found = annotated.values(*COLUMNS, "last_checkpoint", "progressed", "read_at")
    return found


def from_values(values: dict[str, Any]) -> Row:
    last = values.pop("last_checkpoint") or {}
    at = parse_datetime(last["at"]) if last else None
    known = {
        "state": values["state"] or "active",
        "user_id": values["user_id"] or "",
        "last_progress": values.pop("progressed"),
        "checkpoint_count": values["checkpoint_count"] or last.get("n", 0),
        "checkpoint_name": last.get("name", ""),
        "checkpoint_at": at and as_utc(at),
    }
    return Row(**{**values, **known})


def as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def load_rows(ids: Sequence[UUID]) -> list[Row]:
    """The rows in the order asked for; ids that do not exist are left out. One query."""
    sql, parameters, names = _by_ids()
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, list(ids)])
        found = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    rows = {values["id"]: from_values(_parsed(values)) for values in found}
    return [rows[id] for id in ids if id in rows]


@cache
def _by_ids() -> tuple[str, tuple[Any, ...], tuple[str, ...]]:
    """Put together once: for Django that is ten times the work that the answer is. The ids are its last parameter."""
    among = RawSQL("agent_sessions.id = ANY(%s)", [None], output_field=BooleanField())
    query = with_row_columns(AgentSession.objects.filter(among)).query
    sql, parameters = query.sql_with_params()
    return sql, parameters[:-1], (*query.values_select, *query.annotation_select)


def _parsed(values: dict[str, Any]) -> dict[str, Any]:
    """What Django leaves to the field: JSON comes as text."""
    last = values["last_checkpoint"]
    return {**values, "last_checkpoint": last and json.loads(last)}


RowParts = tuple[str, ...]
"""A row's HTML without what `DYNAMIC_FIELDS` tells: what has the same looks differs only in that."""


def render_row_in(row: Row, *, language: str) -> SafeString:
    """As `render_row`, in this language."""
    with translation.override(language):
        return render_row(row)


def row_parts(row: Row, *, language: str) -> RowParts:
    with translation.override(language):
        return _row_parts(row)


def _row_parts(row: Row) -> RowParts:
    return _static_parts(
        _without_dynamic_fields(row), row.rule, row.removal_at, translation.get_language()
    )


def render_row(row: Row) -> SafeString:
    """The same for every viewer of a language: what a viewer may do is not drawn into the row."""
    parts = list(_row_parts(row))
    parts[1::2] = [escape(str(DYNAMIC_FIELDS[name](row))) for name in parts[1::2]]
    return SafeString("".join(parts))  # the template has escaped its parts


# What beats, the clock and changes that show nowhere else change: put into a row whenever it is shown.
DYNAMIC_FIELDS: dict[str, Callable[[Row], object]] = {
    "version": lambda row: row.version,
    "health": lambda row: row.health,
    "beat_ms": lambda row: time_format.milliseconds(row.last_heartbeat),
    "beat_iso": lambda row: row.last_heartbeat and row.last_heartbeat.isoformat(),
    "beat_at": lambda row: row.last_heartbeat and time_format.format_absolute(row.last_heartbeat),
    "beat_age": lambda row: time_format.format_duration(_since(row.last_heartbeat, row)),
    "progress_ms": lambda row: time_format.milliseconds(row.last_progress),
    "progress_iso": lambda row: row.last_progress and row.last_progress.isoformat(),
    "progress_at": lambda row: row.last_progress and time_format.format_absolute(row.last_progress),
    "progress_age": lambda row: time_format.format_duration(_since(row.last_progress, row)),
    "running": lambda row: time_format.format_duration_long(_since(row.created_at, row)),
}
# PostgreSQL stores no NUL, so no text of an agent can look like such a place.
PLACEHOLDERS = {name: f"\0{name}\0" for name in DYNAMIC_FIELDS}


def _since(moment: datetime | None, row: Row) -> float:
    return time_format.seconds_between(moment or row.read_at, row.read_at)


def _without_dynamic_fields(row: Row) -> Row:
    """The row without what `DYNAMIC_FIELDS` tells, and all that its template is told."""
    day = time_format.day_of(row.read_at)
    return replace(
        row,
        version=0,
        read_at=day,
        last_heartbeat=row.last_heartbeat and day,
        last_progress=row.last_progress and day,
        user_id=row.user_id[:201],  # one more than is shown
        updated_at=None,
        checkpoint_at=None,
        order_version=int(row.order_open),
        order_verb=row.order_verb if row.order_open else None,
        order_actor=None,
        ordered_at=None,
        acknowledged_version=0,
        parts=None,
        parts_at_work=None,
    )


@lru_cache(maxsize=2000)
def _static_parts(
    still: Row, rule: Rule, removal_at: datetime | None, _language: str | None
) -> RowParts:
    """What stays the same, with the names of what is put between."""
    context = {"row": still, "rule": rule, "removal_at": removal_at, "live": PLACEHOLDERS}
    return tuple(get_template("sessions/list/_row.html").render(context).split("\0"))

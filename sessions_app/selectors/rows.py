"""One row of the list, read in one query."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import BooleanField, OuterRef, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import JSONObject, Left, Now
from django.utils.dateparse import parse_datetime

from ..conditions import PAUSED, PAUSING, PROGRESSED, pause_verbs
from ..health import (
    WATCHED_FOR_PROGRESS,
    WATCHED_FOR_SILENCE,
    Health,
    Rule,
    health,
    is_without_agent,
    rule_for,
)
from ..models import AgentSession, Checkpoint
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
        """Paused by an order that the agent has not confirmed; says the same as `conditions.unconfirmed_pause_q`."""
        return self.state == PAUSED and self.order_open and self.order_verb in pause_verbs()

    @property
    def listed_state(self) -> str:
        """Says the same as `conditions.state_q`: what is pausing is nowhere counted or listed as paused."""
        return PAUSING if self.pausing else self.state

    def has_condition(self, condition: str) -> bool:
        """Says the same as `conditions.condition_q`."""
        return self.health == condition

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
    def watched_for_progress(self) -> bool:
        return self.state in WATCHED_FOR_PROGRESS

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

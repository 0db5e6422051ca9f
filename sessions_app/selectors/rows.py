"""One row of the list, read in one query."""

import json
from collections.abc import Collection, Sequence
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

from agent_sessions.states import SessionState

from ..health import (
    PROGRESSED,
    WATCHED,
    Health,
    Rule,
    health,
    is_without_agent,
    limits_of,
    rule_for,
)
from ..listed_states import PAUSED, PAUSING, pause_verbs
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
        """When it is removed for good; the same as `retention.DELETED_AT`."""
        if self.state != SessionState.DELETED:
            return None
        ordered = self.ordered_at if self.order_verb == "delete" else None
        since = ordered or self.updated_at or self.ended_at or self.created_at
        return since and since + timedelta(days=trash_days())

    @property
    def pausing(self) -> bool:
        """Paused by an unconfirmed order; the same as `listed_states.unconfirmed_pause_q`."""
        return self.state == PAUSED and self.order_open and self.order_verb in pause_verbs()

    @property
    def listed_state(self) -> str:
        """The same as `listed_states.state_q`: a pausing session does not count as paused."""
        return PAUSING if self.pausing else self.state

    def has_condition(self, condition: str) -> bool:
        """The same as `health.condition_q`."""
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
        return self.state in WATCHED

    @property
    def limits(self) -> str:
        """Limits with which the browser compares the row's times."""
        return limits_of(self, settings.HEARTBEAT_RULES)

    @property
    def duration(self) -> timedelta | None:
        if self.created_at is None:
            return None
        return max((self.ended_at or self.read_at) - self.created_at, timedelta())


def with_row_columns(sessions: QuerySet[AgentSession]) -> QuerySet[AgentSession, dict[str, Any]]:
    newest = Checkpoint.objects.of(OuterRef("id")).newest_first()
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
        "state": values["state"] or SessionState.ACTIVE.value,
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
    """The rows in the given order, without ids that do not exist. One query."""
    rows = rows_by_id([str(id) for id in ids])
    return [rows[str(id)] for id in ids if str(id) in rows]


def rows_by_id(ids: Collection[str]) -> dict[str, Row]:
    """One query; ids that do not exist are left out."""
    if not ids:
        return {}
    sql, parameters, names = _by_ids()
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, [UUID(id) for id in ids]])
        for stored in cursor.fetchall():
            values = dict(zip(names, stored, strict=True))
            last = values["last_checkpoint"]
            # Django leaves the decoding to the field
            values["last_checkpoint"] = last and json.loads(last)
            found[str(values["id"])] = from_values(values)
    return found


@cache
def _by_ids() -> tuple[str, tuple[Any, ...], tuple[str, ...]]:
    """The query's text, its parameters but the last, which are the ids, and the names of its columns.

    Composed once: a row takes 0.35 ms of processor time instead of 3.7.
    """
    among = RawSQL("agent_sessions.id = ANY(%s)", [None], output_field=BooleanField())
    query = with_row_columns(AgentSession.objects.filter(among)).query
    sql, parameters = query.sql_with_params()
    return sql, parameters[:-1], (*query.values_select, *query.annotation_select)

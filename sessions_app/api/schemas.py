"""Request and response schemas of the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ninja import Field, Schema
from pydantic import ConfigDict

from ..models import AgentSession, Blindness, Checkpoint, HistoryEntry
from ..selectors.rows import Row
from ..selectors.watchdog_status import WatchdogStatus

CONTENT_ONLY = "null without the right to see contents"


class Order(Schema):
    """The last order of a person.

    `confirmed`: the agent has obeyed, and no part of its run is at work.
    """

    verb: str
    version: int
    actor: str | None
    at: datetime | None
    confirmed: bool
    parts: int | None = Field(description="parts of the run, while a pause waits for some of them")
    parts_at_work: int | None = Field(
        description="parts that are still at work, which delays the confirmation"
    )


class LastCheckpoint(Schema):
    name: str
    at: datetime | None


class SessionItem(Schema):
    id: UUID
    version: int
    state: str
    health: str = Field(
        description="on_time, late, lost, no_progress or not_watched, as of `read_at`"
    )
    agent_type: str
    user_id: str
    created_at: datetime | None
    updated_at: datetime | None
    ended_at: datetime | None
    last_heartbeat: datetime | None
    last_progress: datetime | None
    checkpoint_count: int
    last_checkpoint: LastCheckpoint | None
    order: Order | None
    refused_writes: int
    read_at: datetime

    @classmethod
    def of(cls, row: Row, **more: Any) -> Self:
        named = row.checkpoint_name or row.checkpoint_at
        last = LastCheckpoint(name=row.checkpoint_name, at=row.checkpoint_at) if named else None
        own = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        return cls(**{**own, "last_checkpoint": last, "order": _order(row), **more})


def _order(row: Row) -> Order | None:
    if not row.order_verb:
        return None
    return Order(
        verb=row.order_verb,
        version=row.order_version,
        actor=row.order_actor,
        at=row.ordered_at,
        confirmed=not row.order_open,
        parts=row.parts if row.order_open else None,
        parts_at_work=row.parts_at_work if row.order_open else None,
    )


class Owner(Schema):
    name: str = Field(description="the host and the process that works on the session")
    since: datetime | None
    lease_until: datetime | None = Field(description="renewed with each heartbeat")


def _content(stored: Any, content: bool) -> dict[str, Any] | None:
    if not content:
        return None
    return stored if isinstance(stored, dict) else {}


def _owner(session: AgentSession) -> Owner | None:
    if session.owner_id is None:
        return None
    return Owner(
        name=session.owner_name or "", since=session.owner_since, lease_until=session.lease_until
    )


class SessionDetail(SessionItem):
    epoch: int
    context_version: int
    context: dict[str, Any] | None = Field(description=CONTENT_ONLY)
    metadata: dict[str, Any] | None = Field(description=CONTENT_ONLY)
    order_reason: str | None = Field(description=CONTENT_ONLY)
    acknowledged_at: datetime | None
    owner: Owner | None
    handed_back_at: datetime | None = Field(
        description="when its last owner left it open; null while there is one"
    )
    failed_attempts: int = Field(
        description="errors that left it open to be taken up again, since the last rollback"
    )

    @classmethod
    def of_session(cls, session: AgentSession, row: Row, *, content: bool) -> Self:
        return cls.of(
            row,
            epoch=session.epoch,
            context_version=session.context_version,
            context=_content(session.context, content),
            metadata=_content(session.metadata, content),
            order_reason=session.order_reason,
            acknowledged_at=session.acknowledged_at,
            owner=_owner(session),
            handed_back_at=session.handed_back_at,
            failed_attempts=session.failed_attempts,
        )


class SessionPage(Schema):
    items: list[SessionItem]
    previous: str | None = Field(description="give it as `before`")
    next: str | None = Field(description="give it as `after`")


class HistoryItem(Schema):
    session_id: UUID
    version: int
    at: datetime
    kind: str
    verb: str | None
    from_state: str | None
    to_state: str | None
    epoch: int
    checkpoint_n: int | None
    checkpoint_name: str | None
    paths: list[str] | None = Field(description=CONTENT_ONLY)
    actor: str | None
    reason: str | None = Field(description=CONTENT_ONLY)
    source: str
    change_id: UUID | None
    detail: dict[str, Any] | None = Field(description=CONTENT_ONLY)

    @classmethod
    def of(cls, entry: HistoryEntry, *, content: bool) -> HistoryItem:
        said = entry.detail if isinstance(entry.detail, dict) else {}
        detail = {key: value for key, value in said.items() if key not in {"request", "verb"}}
        own = {name: getattr(entry, name) for name in cls.model_fields if hasattr(entry, name)}
        item = cls(**{**own, "verb": said.get("verb"), "detail": detail or None})
        return item if content else item.model_copy(update=dict.fromkeys(HISTORY_CONTENT))


HISTORY_CONTENT = ("paths", "reason", "detail")


class HistoryPage(Schema):
    items: list[HistoryItem]
    next: int | None = Field(description="give it as `before` for what is older")


class CheckpointItem(Schema):
    id: str
    n: int
    name: str
    at: datetime
    data: dict[str, Any] | None = Field(description=CONTENT_ONLY)
    metadata: dict[str, Any] | None = Field(description=CONTENT_ONLY)
    context_captured: bool
    actor: str | None
    source: str

    @classmethod
    def of(cls, found: Checkpoint, *, content: bool) -> CheckpointItem:
        own = {name: getattr(found, name) for name in cls.model_fields if hasattr(found, name)}
        captured = found.context_version is not None
        if not content:
            own |= {"data": None, "metadata": None}
        return cls(**{**own, "id": f"{found.session_id}:{found.n}", "context_captured": captured})


class CheckpointPage(Schema):
    items: list[CheckpointItem]
    next: int | None = Field(description="give it as `before` for what is older")


class RequestBody(Schema):
    """The body of a request. Values are not converted (true is not 1, 2.0 is not 2), unknown fields are refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


class ReasonIn(RequestBody):
    reason: str = Field(
        "", max_length=2000, description="stored with the order; some orders require it"
    )

    def extra(self) -> dict[str, Any]:
        """Arguments of `actions.perform` beyond the reason."""
        return {}


class CompletionIn(ReasonIn):
    result: Any = None

    def extra(self) -> dict[str, Any]:
        return {} if self.result is None else {"result": self.result}


class RollbackIn(ReasonIn):
    checkpoint: int | str = Field(description="its number, or `{session_id}:{n}`")

    def extra(self) -> dict[str, Any]:
        return {"checkpoint_id": self.checkpoint}


class EditIn(ReasonIn):
    """Parts that are left out stay unchanged.

    With `If-Match`, the differences from that version are merged into the current one.
    """

    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    seen_metadata: dict[str, Any] | None = Field(
        None, description="the metadata as read: only differences from it are changed"
    )


class ActionOut(Schema):
    """`changed` is false if there was nothing left to change."""

    changed: bool
    session: SessionDetail


class BlindnessItem(Schema):
    cause: str
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, gap: Blindness) -> BlindnessItem:
        return cls(cause=gap.cause, started_at=gap.started_at, ended_at=gap.ended_at)


class WatchItem(Schema):
    """Whether a watchdog runs and receives heartbeats; if not, since when."""

    sees: bool
    runs: bool
    looked_at: datetime | None
    blind_since: datetime | None
    blind: list[BlindnessItem]

    @classmethod
    def of(cls, watch: WatchdogStatus) -> WatchItem:
        return cls(
            sees=watch.sees,
            runs=watch.runs,
            looked_at=watch.looked_at,
            blind_since=watch.blind_since,
            blind=[BlindnessItem.of(gap) for gap in watch.blind],
        )

"""Data of the session page: the session, its newest checkpoints, its newest history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, IntegerField, OuterRef, Q, Subquery, TextField
from django.db.models.expressions import Func, RawSQL
from django.db.models.functions import Cast, Left

from agent_sessions.states import CHECKPOINT_NAMES, CREATED

from ..choices import Text, Verb, as_text
from ..models import AgentSession, Checkpoint, HistoryEntry
from ..permissions import Access
from ..querysets import CheckpointQuerySet
from .point_in_time import NOTHING, PointInTime
from .rows import Row, from_values, with_row_columns

CHECKPOINTS = 25
HISTORY = 50
FAILURES = 100  # failures and rollbacks that are searched for the same error
SHOWN_PATHS, PATHS = 5, 8
LONGEST = 500  # above the shown length of every part of an entry
FACTS = (
    "owner_id", "owner_name", "owner_since", "lease_until", "handed_back_at", "failed_attempts",
    "state", "context_version", "epoch", "order_verb", "order_actor", "ordered_at",
    "order_checkpoint", "acknowledged_at",
)  # fmt: skip
CONTENT = ("context", "metadata", "order_reason")
AUTOMATIC = frozenset({*CHECKPOINT_NAMES.values(), CREATED})


@dataclass(frozen=True, slots=True)
class ShownCheckpoint:
    """The shown part of a checkpoint."""

    n: int
    name: str
    at: datetime
    actor: str
    source: str
    size: int
    captured: bool
    automatic: bool
    preview: str
    since_previous: timedelta | None
    paths: tuple[str, ...]
    more_paths: int


@dataclass(frozen=True, slots=True)
class ShownHistoryEntry:
    """The shown part of a history entry."""

    version: int
    at: datetime
    kind: str
    from_state: str | None
    to_state: str | None
    epoch: int
    checkpoint_name: str
    paths: tuple[str, ...]
    more_paths: int
    actor: str
    reason: str
    source: str
    change_id: UUID | None
    verb: str
    detail: str

    @classmethod
    def of(cls, entry: HistoryEntry, *, content: bool) -> ShownHistoryEntry:
        """Reasons, paths and details are content; who did what and when are facts."""
        paths = entry.paths or [] if content else []
        return cls(
            version=entry.version,
            at=entry.at,
            kind=entry.kind,
            from_state=entry.from_state,
            to_state=entry.to_state,
            epoch=entry.epoch,
            checkpoint_name=(entry.checkpoint_name or "")[:LONGEST],
            paths=tuple(path[:LONGEST] for path in paths[:100]),
            more_paths=max(len(paths) - PATHS, 0),
            actor=(entry.actor or "")[:LONGEST],
            reason=(entry.reason or "")[:LONGEST] if content else "",
            source=entry.source,
            change_id=entry.change_id,
            verb=str((entry.detail or {}).get("verb"))[:40] if entry.kind == "order" else "",
            detail=as_text(entry.detail) if entry.detail and content else "",
        )


@dataclass(frozen=True, slots=True)
class Action:
    verb: Verb
    why_not: Text = ""

    @property
    def possible(self) -> bool:
        return not self.why_not


def is_visible(session_id: UUID, access: Access) -> bool:
    """Whether the caller may see this session; not whether it exists, where all may be seen."""
    return access.types is None or (
        AgentSession.objects.visible_to(access).filter(id=session_id).exists()
    )


def read_session(session_id: UUID, access: Access) -> tuple[AgentSession, Row] | None:
    """The session with the columns that its page shows, and its row, in one query each.

    None if it does not exist or is not visible. Columns with contents are None if those are not.
    """
    columns = (*FACTS, *CONTENT) if access.sees_content else FACTS
    sessions = AgentSession.objects.visible_to(access)
    session = sessions.only(*columns).filter(id=session_id).first()
    if session is None:
        return None
    if not access.sees_content:
        for name in CONTENT:
            setattr(session, name, None)
    values = with_row_columns(AgentSession.objects.filter(id=session_id)).first()
    return None if values is None else (session, from_values(values))


def _known_checkpoints(
    session_id: UUID, past: PointInTime | None
) -> CheckpointQuerySet[Checkpoint]:
    known = Checkpoint.objects.of(session_id)
    if past is None:
        return known
    known = known.filter(at__lte=past.at)
    return known if past.version is None else known.filter(version__lte=past.version)


def count_checkpoints(session_id: UUID, past: PointInTime) -> int:
    """How many there were at a past time."""
    return _known_checkpoints(session_id, past).count()


def read_checkpoints(
    session_id: UUID,
    *,
    content: bool,
    before: int | None = None,
    past: PointInTime | None = None,
) -> tuple[list[ShownCheckpoint], bool]:
    """Newest first, as of a past time, and whether there are older ones. Data and paths are content."""
    text = Cast("data", TextField())
    known = _known_checkpoints(session_id, past)
    if before is not None:
        known = known.filter(n__lt=before)
    entry = HistoryEntry.objects.filter(
        session_id=OuterRef("session_id"), version=OuterRef("version")
    )
    found = (
        known.annotate(
            changed=Subquery(entry.values("paths")[:1]) if content else NOTHING,
            size=Func(text, function="octet_length", output_field=IntegerField()),
            preview=Left(text, 400) if content else NOTHING,
            made_automatically=RawSQL("coalesce(metadata->>'automatic', '') <> ''", ()),
        )
        .newest_first()
        .values(
            "n", "name", "at", "actor", "source", "context_version", "size", "preview",
            "made_automatically", "changed",
        )[: CHECKPOINTS + 1]
    )  # fmt: skip
    rows: list[dict[str, Any]] = [dict(values) for values in found]
    earlier = [*(row["at"] for row in rows[1:]), None]
    pairs = zip(rows, earlier, strict=False)
    shown = [_checkpoint_item(row, previous) for row, previous in pairs][:CHECKPOINTS]
    return shown, len(rows) > CHECKPOINTS


def _checkpoint_item(values: dict[str, Any], before: datetime | None) -> ShownCheckpoint:
    changed = values["changed"] or []
    return ShownCheckpoint(
        n=values["n"],
        name=values["name"],
        at=values["at"],
        actor=values["actor"] or "",
        source=values["source"],
        size=values["size"],
        captured=values["context_version"] is not None,
        automatic=values["made_automatically"] or values["name"] in AUTOMATIC,
        preview=values["preview"] or "",
        since_previous=None if before is None else max(values["at"] - before, timedelta()),
        paths=tuple(path[:LONGEST] for path in changed[:SHOWN_PATHS]),
        more_paths=max(len(changed) - SHOWN_PATHS, 0),
    )


def read_history(
    session_id: UUID, before: int | None = None, kinds: Sequence[str] = (), *, content: bool
) -> tuple[list[ShownHistoryEntry], bool]:
    """Newest first, and whether there are older ones."""
    entries = HistoryEntry.objects.of(session_id)
    if before is not None:
        entries = entries.filter(version__lt=before)
    if kinds:
        entries = entries.filter(kind__in=kinds)
    found = list(entries.newest_first()[: HISTORY + 1])
    shown = [ShownHistoryEntry.of(entry, content=content) for entry in found[:HISTORY]]
    return shown, len(found) > HISTORY


def first_matching(
    checkpoints: list[ShownCheckpoint], *, own: bool = False, name: str = ""
) -> ShownCheckpoint | None:
    found = (
        item
        for item in checkpoints
        if (not name or item.name == name) and not (own and item.automatic)
    )
    return next(found, None)


def action(verb: Verb, state: str) -> Action:
    return Action(verb, verb.blocked_in(state))


@dataclass(frozen=True, slots=True)
class RepeatedFailure:
    """The same error `times` in a row, with a rollback before each but the first; `earliest` is their lowest target."""

    times: int
    earliest: int


def read_repeated_failure(session_id: UUID) -> RepeatedFailure | None:
    """None unless the newest failure has the error of the one before the rollback."""
    marks = (CHECKPOINT_NAMES["fail"], CHECKPOINT_NAMES["rollback"])
    found = Checkpoint.objects.of(session_id).filter(name__in=marks).newest_first()
    error, times, targets = None, 0, []
    for name, data in found.values_list("name", "data")[:FAILURES]:
        if name == CHECKPOINT_NAMES["rollback"]:
            targets.append(data.get("n"))
            continue
        if times and (data.get("error") != error or len(targets) < times):
            break
        error, times = data.get("error"), times + 1
    known = [n for n in targets[: times - 1] if isinstance(n, int)]
    return RepeatedFailure(times, min(known)) if times > 1 and known else None


def last_decision(session_id: UUID, since: int, *, content: bool) -> ShownHistoryEntry | None:
    """Who changed the state of a session after a version, and when: what a conflict is about."""
    decisive = Q(kind="order") | ~Q(from_state=F("to_state"))
    entries = HistoryEntry.objects.of(session_id).filter(version__gt=since)
    found = entries.filter(decisive).newest_first().first()
    return None if found is None else ShownHistoryEntry.of(found, content=content)


def find_checkpoint(
    session_id: UUID, n: int, *, among: Sequence[ShownCheckpoint]
) -> ShownCheckpoint | None:
    """Queried only where it is not `among` those that were read."""
    known = next((checkpoint for checkpoint in among if checkpoint.n == n), None)
    if known is not None:
        return known
    found = read_checkpoints(session_id, content=False, before=n + 1)[0][:1]
    return found[0] if found and found[0].n == n else None


def read_failure(session_id: UUID) -> dict[str, Any] | None:
    """What the newest failure left: its error and its details."""
    found = Checkpoint.objects.filter(session_id=session_id, name=CHECKPOINT_NAMES["fail"])
    return _json_object(found.order_by("-n").values_list("data", flat=True).first())


def read_failed_attempt(session_id: UUID, *, content: bool) -> dict[str, Any] | None:
    """The last error that left the session open. Its text is content; which attempt it was is a fact."""
    found = HistoryEntry.objects.filter(session_id=session_id, kind="attempt")
    stored = _json_object(found.order_by("-version").values_list("detail", flat=True).first())
    if stored is None or content:
        return stored
    return {name: stored.get(name) for name in ("attempt", "of")}


def read_order_source(session_id: UUID, version: int) -> str:
    """The channel that the order came through."""
    entries = HistoryEntry.objects.filter(session_id=session_id, version=version)
    return entries.values_list("source", flat=True).first() or "?"


def read_undo_checkpoint(session_id: UUID) -> int | None:
    """The checkpoint that a rollback made of what it left: the way back to where it was."""
    found = HistoryEntry.objects.filter(session_id=session_id, detail__verb="rollback")
    newest = found.filter(kind="order").order_by("-version")
    before = (_json_object(newest.values_list("detail", flat=True).first()) or {}).get("before")
    return before if isinstance(before, int) else None


def _json_object(stored: Any) -> dict[str, Any] | None:
    return stored if isinstance(stored, dict) else None

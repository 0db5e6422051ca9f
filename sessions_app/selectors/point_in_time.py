"""A session at a past time, from the append-only history and the stored contexts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import TextField, Value

from ..models import AgentSession, HistoryEntry, PastContext

NOTHING = Value(None, output_field=TextField())


@dataclass(frozen=True, slots=True)
class PointInTime:
    """`version` is None if the time is before the history begins."""

    at: datetime
    version: int | None
    state: str
    context_version: int
    context: Any


def state_at(session: AgentSession, at: datetime, *, content: bool) -> PointInTime:
    """Without content no context is read; it is empty."""
    entry = _entry_at(session.id, at)
    version = entry.version if entry else 0
    context_version, context = _context_at(session, version, content=content)
    return PointInTime(
        at=at,
        version=entry.version if entry else None,
        state=(entry.to_state if entry else None) or "",
        context_version=context_version,
        context=context or {},
    )


def _entry_at(session_id: UUID, at: datetime) -> HistoryEntry | None:
    entries = HistoryEntry.objects.of(session_id).filter(at__lte=at)
    return entries.only("version", "at", "to_state").newest_first().first()


def _context_at(session: AgentSession, version: int, *, content: bool) -> tuple[int, Any]:
    """A context has the version that introduced it, so the newest one up to `version` applies."""
    if session.context_version <= version:
        return session.context_version, session.context
    kept = PastContext.objects.of(session.id)
    known = kept.values_list("context_version", "context" if content else NOTHING)
    found = known.filter(context_version__lte=version).order_by("-context_version").first()
    found = found or known.order_by("context_version").first()
    return found or (session.context_version, session.context)

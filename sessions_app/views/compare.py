"""Compares two contexts of one session: of two checkpoints, or of a checkpoint and now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ..decorators import requires
from ..forms import NOW, CompareQuery
from ..models import AgentSession, Checkpoint, PastContext
from ..permissions import CONTENT, access
from ..rendering.json_diff import differences
from ..selectors import session as detail

CHOICES = 500


@dataclass(frozen=True, slots=True)
class Side:
    """`context` is None if the checkpoint has none."""

    value: str
    name: str = ""
    at: datetime | None = None
    context: Any = None


@requires(CONTENT)
@require_GET
def compare(request: HttpRequest, id: UUID) -> HttpResponse:
    found = detail.read_session(id, access(request))
    if found is None:
        raise Http404
    session, row = found
    asked = CompareQuery.read(request.GET)
    a, b = _side(session, asked["a"]), _side(session, asked["b"])
    comparable = a.context is not None and b.context is not None
    choices = Checkpoint.objects.of(id).newest_first().values("n", "name", "at")
    context = {
        "row": row,
        "now": row.read_at,
        "a": a,
        "b": b,
        "found": differences(a.context, b.context) if comparable else None,
        "choices": choices[:CHOICES],
    }
    return render(request, "sessions/session/compare.html", context)


def _side(session: AgentSession, asked: int | str | None) -> Side:
    if asked == NOW:
        return Side(NOW, context=session.context or {})
    known = Checkpoint.objects.of(session.id)
    checkpoint = None if asked is None else known.filter(n=asked).first()
    if checkpoint is None:
        raise Http404
    return Side(
        str(checkpoint.n),
        checkpoint.name,
        checkpoint.at,
        _context(session, checkpoint.context_version),
    )


def _context(session: AgentSession, version: int | None) -> Any:
    if version is None:
        return None
    if version == session.context_version:
        return session.context or {}
    return PastContext.objects.of(session.id).context(version)

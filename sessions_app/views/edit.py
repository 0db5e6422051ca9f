"""Changing context or metadata by hand: the JSON, then the difference, then the reason, then stored."""

import json
import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from agent_sessions import Conflict, SessionError

from .. import actions, detail
from ..differences import Differences, differences
from ..models import AgentSession
from .access import operators_only

PARTS = ("context", "metadata")


@dataclass(slots=True)
class Draft:
    """`seen` is what the text was made from: of the context its version, of the metadata the session's."""

    part: str
    text: str
    seen: int
    request_id: str
    reason: str = ""
    error: str = ""
    conflict: bool = False
    found: Differences | None = None


@operators_only
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, id: UUID) -> HttpResponse:
    found = detail.read_session(id)
    part = (request.POST or request.GET).get("part", "context")
    if found is None or part not in PARTS:
        raise Http404
    session, row = found
    if request.method != "POST":
        return _show(request, row, _fresh(session, row.version, part))
    draft = _sent(request, part)
    value = _read(draft)
    if draft.error:
        return _show(request, row, draft, 422)
    draft.found = differences(getattr(session, part) or {}, value)
    if draft.seen != _version(session, row.version, part):
        return _conflict(request, session, row, draft)
    if request.POST.get("step") != "save":
        return _show(request, row, draft)
    return _save(request, session, row, draft, value)


def _save(
    request: HttpRequest, session: AgentSession, row: Any, draft: Draft, value: Any
) -> HttpResponse:
    try:
        outcome = actions.perform(
            "edit",
            row.id,
            actor=request.user.get_username(),
            reason=draft.reason,
            source="page",
            request_id=UUID(draft.request_id),
            seen_version=draft.seen,
            **{draft.part: value},
        )
    except Conflict:
        return _conflict(request, session, row, draft)
    except SessionError as error:
        draft.error = actions.explain(error)
        return _show(request, row, draft, 422)
    text = _("Stored.") if outcome.changed else _("It was so already; nothing was changed.")
    messages.success(request, text)
    return HttpResponseRedirect(reverse("session", args=[row.id]))


def _conflict(request: HttpRequest, session: AgentSession, row: Any, draft: Draft) -> HttpResponse:
    """The text stays; who still wants it sees what it would change now, and decides anew."""
    draft.conflict = True
    found = detail.read_session(session.id)
    if found is None:
        raise Http404
    newer, row = found
    draft.found = differences(getattr(newer, draft.part) or {}, json.loads(draft.text))
    draft.seen = _version(newer, row.version, draft.part)
    draft.request_id = str(uuid.uuid4())
    return _show(request, row, draft, 409)


def _fresh(session: AgentSession, version: int, part: str) -> Draft:
    text = json.dumps(getattr(session, part) or {}, ensure_ascii=False, indent=2)
    return Draft(part, text, _version(session, version, part), str(uuid.uuid4()))


def _sent(request: HttpRequest, part: str) -> Draft:
    post = request.POST
    seen = post.get("seen", "")
    try:
        request_id = str(UUID(post.get("request_id", "")))
    except ValueError:
        request_id = str(uuid.uuid4())
    number = int(seen) if seen.isdecimal() and len(seen) < 19 else 0
    return Draft(part, post.get("text", ""), number, request_id, post.get("reason", ""))


def _read(draft: Draft) -> Any:
    try:
        value = json.loads(draft.text)
    except (ValueError, RecursionError) as error:
        draft.error = _("This is no JSON: %(error)s") % {"error": str(error)[:200]}
        return None
    if not isinstance(value, dict):
        draft.error = _("It must be an object: { … }")
    return value


def _version(session: AgentSession, version: int, part: str) -> int:
    return session.context_version if part == "context" else version


def _show(request: HttpRequest, row: Any, draft: Draft, status: int = 200) -> HttpResponse:
    context = {"row": row, "draft": draft, "found": draft.found, "now": row.read_at}
    return render(request, "sessions/edit.html", context, status=status)

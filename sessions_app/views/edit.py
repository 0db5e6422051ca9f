"""Editing context or metadata: the JSON, then the differences, then the reason, then the write."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from agent_sessions import (
    EditConflict,
    EditPreview,
    SessionError,
    SessionNotFound,
    StorageUnavailable,
)
from agent_sessions.edits import Merged

from .. import actions, conflicts, json_input, manager_portal
from ..conflicts import ConflictRow
from ..decorators import requires
from ..drafts import drafts
from ..forms import EditForm, PartForm
from ..models import AgentSession
from ..permissions import CONTENT, EDIT, access
from ..rendering.json_diff import Differences, differences
from ..selectors import session as detail
from .orders import is_fetch

INDENTED_AT_MOST = 4 * 1024 * 1024


@dataclass(slots=True)
class Draft:
    """`seen` is the version that `text` is based on.

    `loaded` is the metadata it is based on, because past metadata is not stored.
    """

    part: str
    text: str
    seen: int
    request_id: str
    loaded: str = ""
    reason: str = ""
    error: str = ""
    forgotten: bool = False
    begun: bool = False
    rows: list[ConflictRow] = field(default_factory=list)
    found: Differences | None = None

    @property
    def undecided(self) -> bool:
        return any(not row.choice for row in self.rows)


@requires(CONTENT, EDIT)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, id: UUID) -> HttpResponse:
    found = detail.read_session(id, access(request))
    asked = PartForm({"part": "context", **(request.POST or request.GET).dict()})
    if found is None or not asked.is_valid():
        raise Http404
    (session, row), part = found, asked.cleaned_data["part"]
    if request.method != "POST":
        return _show(request, row, _begun(request, id, part) or _fresh(session, row.version, part))
    if request.POST.get("step") == "discard":
        drafts.forget(cast(User, request.user), draft_name(part, id))
        return HttpResponseRedirect(f"{reverse('edit', args=[id])}?part={part}")
    draft = _sent(request.POST, part)
    try:
        value = _value(draft, id)
        preview = _preview(draft, id, value)
        if not preview.loaded_known or preview.conflicts:
            return _conflict(request, row, draft, preview)
        merged = _merged(draft, preview)
        draft.found = differences(merged.now, merged.merged)
        if request.POST.get("step") != "save":
            return _show(request, row, draft)
        return _save(request, row, draft, value)
    except EditConflict as error:
        return _conflict(request, row, draft, error.preview)
    except SessionNotFound:
        raise Http404 from None
    except SessionError as error:
        draft.error = actions.explain(error)
        status = 503 if isinstance(error, StorageUnavailable) else 422
        return _show(request, row, draft, status)


def _value(draft: Draft, id: UUID) -> dict[str, Any]:
    """The value to store, with the decisions of conflicts applied. Raises InvalidInput."""
    value = json_input.read_object(draft.text, draft.part)
    if not draft.rows:
        return value
    now: dict[str, Any] | None
    if draft.part == "metadata":
        now = json_input.read_object(draft.loaded, draft.part)
    else:
        now = manager_portal.call(lambda manager: manager.get_context_at(str(id), draft.seen))
    return conflicts.decided(draft.part, value, now or {}, draft.rows)


def _seen(draft: Draft) -> dict[str, Any]:
    if draft.part == "metadata":
        return {"seen_metadata": json_input.read_object(draft.loaded, draft.part)}
    return {}


def _preview(draft: Draft, id: UUID, value: dict[str, Any]) -> EditPreview:
    wanted = {draft.part: value, "seen_version": draft.seen, **_seen(draft)}
    return manager_portal.call(lambda manager: manager.preview_edit(str(id), **wanted))


def _merged(draft: Draft, preview: EditPreview) -> Merged:
    return next(merged for merged in preview.parts if merged.part == draft.part)


def _save(request: HttpRequest, row: Any, draft: Draft, value: dict[str, Any]) -> HttpResponse:
    outcome = actions.perform(
        "edit",
        row.id,
        actor=request.user.get_username(),
        reason=draft.reason,
        source="page",
        request_id=UUID(draft.request_id),
        seen_version=draft.seen,
        **{draft.part: value},
        **_seen(draft),
    )
    drafts.forget(cast(User, request.user), draft_name(draft.part, row.id))
    text = (
        _("Saved.")
        if outcome.changed
        else _("Nothing changed: it was already in the requested state.")
    )
    messages.success(request, text)
    address = reverse("session", args=[row.id])
    return JsonResponse({"href": address}) if is_fetch(request) else HttpResponseRedirect(address)


def draft_name(part: str, id: UUID) -> str:
    return f"edit:{part}:{id}"


def _begun(request: HttpRequest, id: UUID, part: str) -> Draft | None:
    """The person's stored draft."""
    sent = drafts.find(cast(User, request.user), draft_name(part, id))
    if sent is None:
        return None
    draft = _sent(sent, part)
    draft.begun = True
    draft.request_id = str(uuid.uuid4())  # the text may differ from that sent under the old id
    return draft


def _conflict(request: HttpRequest, row: Any, draft: Draft, preview: EditPreview) -> HttpResponse:
    """Merges the edit into the current value; the person decides each path that both changed."""
    merged, session = _merged(draft, preview), preview.session
    draft.rows = conflicts.rows_of(merged.conflicts)
    draft.forgotten = not merged.loaded_known
    if merged.loaded_known:
        draft.text = text_of(merged.mine)
    draft.found = differences(merged.now, merged.mine)
    draft.seen = session.context_version if draft.part == "context" else session.version
    draft.loaded = _compact(merged.now) if draft.part == "metadata" else ""
    draft.request_id = str(uuid.uuid4())
    return _show(request, row, draft, 409)


def _fresh(session: AgentSession, version: int, part: str) -> Draft:
    value = getattr(session, part) or {}
    seen = session.context_version if part == "context" else version
    loaded = _compact(value) if part == "metadata" else ""
    return Draft(part, text_of(value), seen, str(uuid.uuid4()), loaded)


def text_of(value: Any) -> str:
    """Indented, unless that alone would make the text too large to be sent back."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= INDENTED_AT_MOST else _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _sent(post: QueryDict, part: str) -> Draft:
    sent = EditForm.read(post)
    return Draft(
        part,
        sent["text"],
        sent["seen"] or 0,
        str(sent["request_id"] or uuid.uuid4()),
        sent["loaded"],
        sent["reason"],
        rows=conflicts.read_rows(post),
    )


def _show(request: HttpRequest, row: Any, draft: Draft, status: int = 200) -> HttpResponse:
    name = draft_name(draft.part, row.id)
    context = {
        "row": row,
        "draft": draft,
        "draft_name": name,
        "draft_at": f"{reverse('edit', args=[row.id])}?part={draft.part}",
        "found": draft.found,
        "now": row.read_at,
    }
    return render(request, "sessions/orders/edit.html", context, status=status)

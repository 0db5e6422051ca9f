"""The page of each order: effects, limits, reason, and submission."""

import uuid
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from agent_sessions import (
    CheckpointNotFound,
    Conflict,
    InvalidInput,
    SessionError,
    StorageUnavailable,
)
from agent_sessions.transitions import RollbackPreview

from .. import actions, manager_portal
from ..choices import VERBS, Verb, verb_of_noun
from ..decorators import require_right, viewers_only
from ..drafts import drafts
from ..forms import OrderForm
from ..permissions import access
from ..rendering.json_diff import Differences, differences
from ..selectors import session
from ..selectors.rows import Row, load_rows
from .redirects import back


@dataclass(slots=True)
class OrderParams:
    """`seen` is the version that the person saw; `id` makes a double click one order."""

    id: UUID
    seen: int | None
    reason: str
    checkpoint: int | None = None

    @classmethod
    def from_post(cls, request: HttpRequest, verb: Verb) -> "OrderParams":
        """A checkpoint counts only for a verb that needs one."""
        sent = OrderForm.read(request.POST)
        return cls(
            sent["request_id"] or uuid.uuid4(),
            sent["seen_version"],
            sent["reason"],
            sent["checkpoint"] if verb.needs_checkpoint else None,
        )

    @classmethod
    def anew(cls, row: Row, checkpoint: int | None = None, reason: str = "") -> "OrderParams":
        return cls(uuid.uuid4(), row.version, reason, checkpoint)

    @property
    def extra(self) -> dict[str, Any]:
        return {} if self.checkpoint is None else {"checkpoint_id": self.checkpoint}


@dataclass(slots=True)
class Form:
    verb: Verb
    row: Row
    asked: OrderParams
    why_not: Any = ""
    error: str = ""
    conflict: session.ShownHistoryEntry | None = None
    preview: RollbackPreview | None = None
    found: Differences | None = None
    now: Any = field(default_factory=timezone.now)

    @property
    def draft_name(self) -> str:
        return draft_name(self.verb, self.row.id)

    @property
    def action(self) -> str:
        return reverse("order", args=[self.row.id, self.verb.noun])

    @property
    def at(self) -> str:
        """The URL of the form."""
        if self.asked.checkpoint is None:
            return self.action
        return f"{reverse('rollback', args=[self.row.id])}?checkpoint={self.asked.checkpoint}"


@viewers_only
@require_http_methods(["GET", "HEAD", "POST"])
def order(request: HttpRequest, id: UUID, noun: str) -> HttpResponse:
    verb = verb_of_noun(noun)
    if verb is None:
        raise Http404
    require_right(request, verb.right)
    row = _row_or_404(request, id)
    if request.method == "POST":
        asked = OrderParams.from_post(request, verb)
        if verb.needs_checkpoint and asked.checkpoint is None:
            raise Http404
        return _perform(request, verb, row, asked)
    if verb.needs_checkpoint:
        return HttpResponseRedirect(f"{reverse('session', args=[id])}#checkpoints")
    asked = OrderParams.anew(row, reason=_begun(request, verb, id))
    return _ask(request, _form(request, verb, row, asked))


@viewers_only
@require_GET
def rollback(request: HttpRequest, id: UUID) -> HttpResponse:
    """The preview: what would change, which checkpoints come after it, and whether the context was captured."""
    verb = VERBS["rollback"]
    require_right(request, verb.right)
    row = _row_or_404(request, id)
    checkpoint = OrderForm.read(request.GET)["checkpoint"]
    if checkpoint is None:
        raise Http404
    asked = OrderParams.anew(row, checkpoint, _begun(request, verb, id))
    return _ask(request, _form(request, verb, row, asked))


def _begun(request: HttpRequest, verb: Verb, id: UUID) -> str:
    """The reason in the person's stored draft."""
    sent = drafts.find(cast(User, request.user), draft_name(verb, id))
    return sent.get("reason", "") if sent else ""


def draft_name(verb: Verb, id: UUID) -> str:
    return f"order:{verb.noun}:{id}"


def _form(request: HttpRequest, verb: Verb, row: Row, asked: OrderParams, **more: Any) -> Form:
    form = Form(verb, row, asked, session.action(verb, row.state).why_not, **more)
    if verb.needs_checkpoint:
        try:
            form.preview = manager_portal.call(
                lambda m: m.preview_rollback(str(row.id), asked.checkpoint or 0)
            )
        except (CheckpointNotFound, InvalidInput):
            raise Http404 from None
        if access(request).sees_content:
            form.found = differences(form.preview.before, form.preview.after)
    return form


def _ask(request: HttpRequest, form: Form, status: int = 200) -> HttpResponse:
    template = "_order_form.html" if is_fetch(request) else "order.html"
    context = {"form": form, "row": form.row, "verb": form.verb, "now": form.now}
    return render(request, f"sessions/orders/{template}", context, status=status)


def _perform(request: HttpRequest, verb: Verb, row: Row, asked: OrderParams) -> HttpResponse:
    try:
        outcome = actions.perform(
            verb.name,
            row.id,
            actor=request.user.get_username(),
            reason=asked.reason,
            source="page",
            request_id=asked.id,
            seen_version=asked.seen,
            **asked.extra,
        )
    except Conflict as error:
        return _conflict(request, verb, asked, row, error)
    except SessionError as error:
        form = _form(
            request, verb, _row_or_404(request, row.id), asked, error=actions.explain(error)
        )
        return _ask(request, form, _status_of(error))
    drafts.forget(cast(User, request.user), draft_name(verb, row.id))
    text = (
        str(verb.done)
        if outcome.changed
        else _("Nothing changed: it was already in the requested state.")
    )
    return _done(request, text, [row.id])


def _status_of(error: SessionError) -> int:
    if isinstance(error, StorageUnavailable):
        return 503  # the database can be read but takes no writes
    return 422 if isinstance(error, InvalidInput) else 409


def _conflict(
    request: HttpRequest, verb: Verb, asked: OrderParams, row: Row, error: Conflict
) -> HttpResponse:
    """Shows the form again with the current session; the person decides again."""
    newer = _row_or_404(request, row.id)
    content = access(request).sees_content
    entry = session.last_decision(row.id, asked.seen or 0, content=content)
    again = OrderParams.anew(newer, asked.checkpoint, asked.reason)
    told = "" if entry else actions.explain(error)
    form = _form(request, verb, newer, again, conflict=entry, error=told)
    return _ask(request, form, 409)


def _done(request: HttpRequest, text: str, ids: list[UUID]) -> HttpResponse:
    if is_fetch(request):
        return JsonResponse({"message": text, "ids": [str(id) for id in ids]})
    messages.success(request, text)
    return HttpResponseRedirect(back(request, reverse("session", args=ids)))


def is_fetch(request: HttpRequest) -> bool:
    return request.headers.get("X-Requested-With") == "fetch"


def _row_or_404(request: HttpRequest, id: UUID) -> Row:
    rows = load_rows([id])
    if not rows or not access(request).allows(rows[0].agent_type):
        raise Http404
    return rows[0]

"""One session: the page, the part of it that is renewed live, and its context piece by piece."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import cached_property
from django.views.decorators.http import require_GET

from .. import detail, tree
from ..detail import Action, Flag
from ..models import AgentSession, Checkpoint, PastContext
from ..presentation import VERBS
from ..rows import Row
from .access import may_operate, viewers_only


class SessionPage:
    """What the template asks for; read when it asks."""

    def __init__(self, session: AgentSession, row: Row, history_before: int | None = None) -> None:
        self.session = session
        self.row = row
        self.now = row.read_at
        self._history_before = history_before

    @cached_property
    def checkpoints(self) -> list[Flag]:
        return detail.read_checkpoints(self.session.id)

    @cached_property
    def _history(self) -> tuple[list[Any], bool]:
        return detail.read_history(self.session.id, self._history_before)

    @property
    def history(self) -> list[Any]:
        return self._history[0]

    @property
    def older_history(self) -> int | None:
        return self.history[-1].version if self._history[1] else None

    @property
    def is_newest_history(self) -> bool:
        return self._history_before is None

    @cached_property
    def context(self) -> tree.Node:
        return tree.build(self.session.context or {})

    @cached_property
    def metadata(self) -> tree.Node:
        return tree.build(self.session.metadata or {}, nodes=100)

    @cached_property
    def actions(self) -> list[Action]:
        return detail.actions(self.row.state)

    @property
    def likely(self) -> Action:
        wanted = detail.LIKELY.get(self.row.state, "pause")
        return next(action for action in self.actions if action.verb.name == wanted)

    @property
    def others(self) -> list[Action]:
        return [a for a in self.actions if a is not self.likely and (a.possible or not a.verb.rare)]

    @cached_property
    def last_good(self) -> Flag | None:
        """Where a rollback would most likely go: the newest checkpoint of the agent's own work."""
        return detail.newest(self.checkpoints, own=True)

    @cached_property
    def failure(self) -> dict[str, Any] | None:
        return self._ending("failed", "session_failed")

    @cached_property
    def order_verb(self) -> Any:
        return VERBS.get(self.session.order_verb or "")

    @cached_property
    def order_target(self) -> Flag | None:
        wanted = self.session.order_checkpoint
        return next((flag for flag in self.checkpoints if flag.n == wanted), None)

    @property
    def shows_order(self) -> bool:
        """While it is open; afterwards where no banner tells of it."""
        told = self.rolled_back or (
            self.session.order_verb == "pause" and self.row.state == "paused"
        )
        return self.order_verb is not None and (self.row.order_open or not told)

    @property
    def confirmed_at(self) -> datetime | None:
        """When the agent confirmed the last order; None while it has not."""
        session = self.session
        if self.row.order_open or not session.acknowledged_at or not session.ordered_at:
            return None
        return session.acknowledged_at if session.acknowledged_at >= session.ordered_at else None

    @property
    def rolled_back(self) -> bool:
        return self.session.order_verb == "rollback" and self.row.state in ("active", "paused")

    @property
    def silent(self) -> bool:
        return self.row.health in ("late", "lost")

    def _ending(self, state: str, name: str) -> dict[str, Any] | None:
        if self.row.state != state:
            return None
        found = Checkpoint.objects.filter(session_id=self.session.id, name=name).order_by("-n")
        data = found.values_list("data", flat=True).first()
        return data if isinstance(data, dict) else None


def _page_or_404(request: HttpRequest, id: UUID) -> SessionPage:
    found = detail.read_session(id)
    if found is None:
        raise Http404
    before = request.GET.get("history", "")
    return SessionPage(*found, history_before=int(before) if before.isdigit() else None)


@viewers_only
@require_GET
def session(request: HttpRequest, id: UUID) -> HttpResponse:
    return _render(request, id, "sessions/session.html")


@viewers_only
@require_GET
def panels(request: HttpRequest, id: UUID) -> HttpResponse:
    return _render(request, id, "sessions/_panels.html")


def _render(request: HttpRequest, id: UUID, template: str) -> HttpResponse:
    page = _page_or_404(request, id)
    context = {"page": page, "row": page.row, "now": page.now, "may_operate": may_operate(request)}
    response = render(request, template, context)
    response["Cache-Control"] = "no-store"
    return response


@viewers_only
@require_GET
def context(request: HttpRequest, id: UUID, part: str) -> HttpResponse:
    """A piece of the context: for the page when a branch is opened, and as a page of its own."""
    value = _part(id, part, request.GET.get("version", ""))
    start = request.GET.get("start", "")
    try:
        path, found = tree.find(value, request.GET.get("path", ""))
    except LookupError:
        raise Http404 from None
    if isinstance(found, str):
        return HttpResponse(found, content_type="text/plain; charset=utf-8")
    node = tree.build(found, at=path, start=min(int(start), 10**9) if start.isdigit() else 0)
    fetched = request.headers.get("X-Requested-With") == "fetch"
    template = "sessions/_nodes.html" if fetched else "sessions/branch.html"
    return render(request, template, {"node": node, "part": part, "session_id": id})


def _part(id: UUID, part: str, version: str) -> Any:
    """The context or metadata of now, or the context of a past version."""
    if part == "context" and version.isdigit():
        past = PastContext.objects.filter(session_id=id, context_version=min(int(version), 2**62))
        found = past.values_list("context", flat=True).first()
        if found is not None:
            return found
    values = AgentSession.objects.filter(id=id).values_list(part, flat=True)
    if not values.exists():
        raise Http404
    return values.first() or {}

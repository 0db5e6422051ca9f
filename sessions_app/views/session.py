"""The session page and its live part, now or at a past time."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from .. import presence
from ..decorators import requires, viewers_only
from ..forms import SessionQuery
from ..permissions import CONTENT, access
from ..rendering.session_page import SessionPageContent, SessionPageParams, read_page
from ..selectors import session as detail
from ..selectors.timeline import axis


@viewers_only
@require_GET
def session(request: HttpRequest, id: UUID) -> HttpResponse:
    return _panels(request, id, "sessions/session/session.html", "at")


@viewers_only
@require_GET
def panels(request: HttpRequest, id: UUID) -> HttpResponse:
    return _panels(request, id, "sessions/session/_panels.html", "at")


@requires(CONTENT)
@require_GET
def conversation(request: HttpRequest, id: UUID) -> HttpResponse:
    """Only the conversation, which changes without a new version of the session."""
    page = _read(request, id)
    page.read_conversation()
    return _render(request, page, "sessions/session/_talk.html")


@viewers_only
@require_GET
def at(request: HttpRequest, id: UUID) -> HttpResponse:
    """The panels at a past time: context, conversation, checkpoints, history."""
    return _panels(request, id, "sessions/session/_panels.html", "t")


@viewers_only
@require_GET
def timeline(request: HttpRequest, id: UUID) -> HttpResponse:
    """Data of the time axis, for its script."""
    found = detail.read_session(id, access(request))
    if found is None:
        raise Http404
    response = JsonResponse(axis(found[1], content=access(request).sees_content))
    response["Cache-Control"] = "no-store"
    return response


def _panels(request: HttpRequest, id: UUID, template: str, moment: str) -> HttpResponse:
    page = _read(request, id, moment)
    page.read_panels()
    return _render(request, page, template)


def _read(request: HttpRequest, id: UUID, moment: str = "") -> SessionPageContent:
    """`moment` is the parameter with the point in time."""
    page = read_page(id, _params(request, moment), access(request))
    if page is None:
        raise Http404
    return page


def _render(request: HttpRequest, page: SessionPageContent, template: str) -> HttpResponse:
    context = {
        "page": page,
        "row": page.row,
        "now": page.now,
        "may_roll_back": access(request).may_roll_back and page.past is None,
        "may_edit": access(request).may_edit and page.past is None,
        "presence_seconds": presence.SAID_EVERY,
        "past_query": f"&version={page.context_version}" if page.past else "",
    }
    response = render(request, template, context)
    response["Cache-Control"] = "no-store"
    return response


def _params(request: HttpRequest, moment: str) -> SessionPageParams:
    asked = SessionQuery.read(request.GET)
    return SessionPageParams(
        asked.get(moment), asked["history"], asked["checkpoints"], asked["kind"]
    )

"""Reading sessions, with the filters, pagination and permissions of the dashboard."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from agent_sessions import InvalidInput

from ..models import AgentSession, Checkpoint, HistoryEntry
from ..numbers import INTEGER
from ..permissions import access
from ..selectors import session as detail
from ..selectors.filters import ListFilter
from ..selectors.pagination import PageKey, read_page
from ..selectors.url_values import SORTS
from ..selectors.watchdog_status import read_watchdog_status
from .authentication import FromQuery, require
from .parameters import UrlNumber
from .schemas import (
    CheckpointItem,
    CheckpointPage,
    HistoryItem,
    HistoryPage,
    SessionDetail,
    SessionItem,
    SessionPage,
    WatchItem,
)

router = Router(tags=["looking"])


class SessionListQuery(Schema):
    state: list[str] = Field([], description="states, and late, lost, no_progress, pausing")
    type: list[str] = []
    user: list[str] = Field([], description="the beginning of a user's id")
    q: str = Field("", description="as in the search box: `agent:grader late`")
    sort: str = Field(SORTS[0], description="-created or created")
    after: str = Field("", description="`next` of the page before")
    before: str = Field("", description="`previous` of the page after")
    limit: UrlNumber = Field(50, ge=1, le=200)


class PageQuery(Schema):
    before: UrlNumber | None = Field(None, ge=1, le=2**62, description="`next` of the page before")
    limit: UrlNumber = Field(100, ge=1, le=1000)


@router.get("/sessions", response=SessionPage, summary="Sessions, newest first")
def sessions(request: HttpRequest, asked: FromQuery[SessionListQuery]) -> SessionPage:
    require(request)
    wanted = _wanted(request)
    page = read_page(
        wanted.queryset(AgentSession.objects.all()),
        after=_key(asked.after),
        before=_key(asked.before),
        descending=wanted.sort == SORTS[0],
        size=asked.limit,
    )
    return SessionPage(
        items=[SessionItem.of(row) for row in page.rows],
        previous=str(page.previous) if page.previous else None,
        next=str(page.next) if page.next else None,
    )


def _wanted(request: HttpRequest) -> ListFilter:
    """The filter. Raises InvalidInput for values that are not understood."""
    wanted = ListFilter.from_query(request.GET, access(request))
    if wanted.errors:
        raise InvalidInput(" ".join(wanted.errors))
    return wanted


def _key(text: str) -> PageKey | None:
    key = PageKey.parse(text) if text else None
    if text and key is None:
        raise InvalidInput(f"“{text[:60]}” is no place in the list.")
    return key


@router.get("/sessions/{uuid:id}", response=SessionDetail, summary="One session")
def session(request: HttpRequest, response: HttpResponse, id: UUID) -> SessionDetail:
    """`ETag` is the version.

    Send it as `If-Match` with an order, and the order does not override newer ones.
    """
    require(request)
    found = read_detail(request, id)
    response["ETag"] = f'"{found.version}"'
    return found


def read_detail(request: HttpRequest, id: UUID) -> SessionDetail:
    found = detail.read_session(id, access(request))
    if found is None:
        raise Http404
    return SessionDetail.of_session(*found, content=access(request).sees_content)


def require_visible(request: HttpRequest, id: UUID) -> None:
    """Raises 404 for a session of an agent type that the caller does not see."""
    if not detail.is_visible(id, access(request)):
        raise Http404


@router.get(
    "/sessions/{uuid:id}/history", response=HistoryPage, summary="What happened, newest first"
)
def history(request: HttpRequest, id: UUID, asked: FromQuery[PageQuery]) -> HistoryPage:
    """Also available after the session was removed for good, unless the caller is limited to agent types."""
    require(request)
    require_visible(request, id)
    entries = HistoryEntry.objects.of(id)
    if asked.before is not None:
        entries = entries.filter(version__lt=asked.before)
    found = list(entries.newest_first()[: asked.limit + 1])
    if not found and asked.before is None:
        raise Http404
    content = access(request).sees_content
    items = [HistoryItem.of(entry, content=content) for entry in found[: asked.limit]]
    return HistoryPage(items=items, next=items[-1].version if len(found) > asked.limit else None)


@router.get(
    "/sessions/{uuid:id}/checkpoints", response=CheckpointPage, summary="Checkpoints, newest first"
)
def checkpoints(request: HttpRequest, id: UUID, asked: FromQuery[PageQuery]) -> CheckpointPage:
    require(request)
    if not AgentSession.objects.visible_to(access(request)).filter(id=id).exists():
        raise Http404
    wanted = Checkpoint.objects.of(id)
    if asked.before is not None:
        wanted = wanted.filter(n__lt=min(asked.before, INTEGER))
    found = list(wanted.newest_first()[: asked.limit + 1])
    content = access(request).sees_content
    items = [CheckpointItem.of(checkpoint, content=content) for checkpoint in found[: asked.limit]]
    return CheckpointPage(items=items, next=items[-1].n if len(found) > asked.limit else None)


@router.get("/watch", response=WatchItem, summary="The status of the watchdog")
def watch(request: HttpRequest) -> WatchItem:
    """While the watchdog receives no heartbeats, it fails no session for silence."""
    require(request)
    return WatchItem.of(read_watchdog_status())

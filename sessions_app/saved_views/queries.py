"""A user's saved views, the open one, and the number of sessions in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from django.core.cache import cache
from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.formats import number_format

from agent_sessions.states import SessionState

from ..models import AgentSession
from ..permissions import Access
from ..selectors.facet_counts import CountRow, FacetCounts
from ..selectors.filters import ListFilter
from .models import ListStyle, SavedView

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PARTS = ("state", "type", "user", "q", "sort")
COUNTED = frozenset({"state", "condition", "agent"})
MOST = 1000
KEPT_SECONDS = 15
MOST_VIEWS = 60

Counted = tuple[Annotated[int, msgspec.Meta(ge=0, le=MOST)] | None, bool]


@dataclass(frozen=True, slots=True)
class ViewCount:
    """`n` is None if not counted yet."""

    n: int | None = None
    more: bool = False

    @property
    def shown(self) -> str:
        if self.n is None:
            return "…"
        return number_format(self.n, force_grouping=True) + ("+" if self.more else "")


@dataclass(frozen=True, slots=True)
class ListedView:
    """A view in the sidebar."""

    view: SavedView
    mine: bool
    current: bool
    tally: ViewCount


@dataclass(frozen=True, slots=True)
class OpenView:
    """The open view, and whether the URL differs from it."""

    view: SavedView
    mine: bool
    changed: bool
    is_default: bool

    @property
    def draft_name(self) -> str:
        return draft_name(self.view)


def draft_name(view: SavedView) -> str:
    return f"view:{view.pk or 'new'}"


def readable(user: User) -> QuerySet[SavedView]:
    return SavedView.objects.filter(Q(owner=user) | Q(shared=True)).select_related("owner")


def visible(user: User) -> list[SavedView]:
    """The user's own views first, then shared ones."""
    views = list(readable(user).order_by("name", "id")[:MOST_VIEWS])
    return sorted(views, key=lambda view: view.owner_id != user.pk)


def canonical(query: QueryDict | str) -> str:
    """The parts of a query string that determine the list, in a fixed order."""
    given = QueryDict(query.lstrip("?")) if isinstance(query, str) else query
    kept = QueryDict(mutable=True)
    for key in PARTS:
        for value in sorted({value for value in given.getlist(key) if value or key != "q"}):
            kept.appendlist(key, value)
    return kept.urlencode()


def opened(
    query: QueryDict, views: Iterable[SavedView], user: User, style: ListStyle
) -> OpenView | None:
    wanted = query.get("view", "")
    for view in views:
        if str(view.pk) == wanted:
            changed = canonical(query) != canonical(view.query)
            return OpenView(
                view, view.owner_id == user.pk, changed, style.default_view_id == view.pk
            )
    return None


def entries(
    views: Sequence[SavedView],
    user: User,
    current: OpenView | None,
    found: FacetCounts,
    access: Access,
) -> list[ListedView]:
    tallies = quick_counts(views, found, access)
    at = current.view.pk if current else None
    return [
        ListedView(view, view.owner_id == user.pk, view.pk == at, tallies.get(view.pk, ViewCount()))
        for view in views
    ]


def quick_counts(
    views: Iterable[SavedView], found: FacetCounts, access: Access
) -> dict[int, ViewCount]:
    """Counts of the views that the stored counters can answer."""
    tallies, cells = {}, found.visible_to(access)
    for view in views:
        wanted = ListFilter.from_query(view.query, access)
        if wanted.errors:
            tallies[view.pk] = ViewCount(0)
        elif all(group.key in COUNTED for group in wanted.groups):
            tallies[view.pk] = ViewCount(sum(c.n for c in cells if _is_in(c, wanted)))
    return tallies


def view_counts(
    views: Sequence[SavedView], found: FacetCounts, access: Access
) -> dict[int, ViewCount]:
    """Counts of all views; those without counters are counted up to a limit and cached for seconds."""
    known = quick_counts(views, found, access)
    for view in views:
        if view.pk not in known:
            known[view.pk] = _counted(canonical(view.query), access)
    return known


def _is_in(cell: CountRow, wanted: ListFilter) -> bool:
    if cell.state == SessionState.DELETED and not wanted.shows_deleted:
        return False
    return all(
        any(_has(cell, group.key, value) for value in group.values) for group in wanted.groups
    )


def _has(cell: CountRow, key: str, value: str) -> bool:
    if key == "condition":
        return cell.health == value
    return value == (cell.listed_state if key == "state" else cell.agent_type)


def _counted(query: str, access: Access) -> ViewCount:
    key = f"view:{access.digest}:{query}"
    found = _checked(cache.get(key))
    if found is None:
        found = _count(query, access)
        cache.set(key, found, KEPT_SECONDS)
    n, more = found
    return ViewCount(n, more)


def _checked(cached: Any) -> Counted | None:
    """None if the cached value is not a count: other programs may write to the cache."""
    try:
        found: Counted = msgspec.convert(cached, Counted)
    except msgspec.ValidationError:
        return None
    return found


def _count(query: str, access: Access) -> Counted:
    found = ListFilter.from_query(query, access).queryset(AgentSession.objects.all())
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '1s'")
            n = found.order_by().values("id")[: MOST + 1].count()
    except OperationalError:
        return None, False
    return min(n, MOST), n > MOST

"""The list of sessions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from psycopg.errors import QueryCanceled

from agent_sessions.states import SessionState

from ..choices import Verb
from ..decorators import viewers_only
from ..drafts import drafts
from ..forms import ListQuery
from ..models import AgentSession
from ..permissions import access
from ..rendering.facets import address, build_facets, with_value
from ..saved_views import queries
from ..saved_views.models import ListStyle
from ..saved_views.preferences import COLUMNS, hidden, preferences_for
from ..selectors.facet_counts import FacetCounts, counts
from ..selectors.filters import BEGINNING, ListFilter
from ..selectors.filters import SEARCHED as FURTHER
from ..selectors.pagination import PageKey, PageOfRows, read_page
from ..watchdog.retention import trash_days
from .saved_views import user_of

PATIENCE_MS = 4000
NEAR = 1_000  # sessions searched first: equally fast with any number of sessions
TRASH = frozenset({SessionState.DELETED})
SEARCHED = ("state", "type", "user", "sort", "view", "columns")


@viewers_only
@require_GET
def sessions(request: HttpRequest) -> HttpResponse:
    query, style = request.GET, preferences_for(user_of(request))
    if not query and style.default_view is not None:
        return HttpResponseRedirect(f"{request.path}{style.default_view.address}")
    wanted = ListFilter.from_query(query, access(request))
    wanted, page, limited = _searched(query, wanted)
    found = counts()
    facets = found.facets(wanted)
    ascending = wanted.sort == "created"
    verbs = access(request).verbs
    context = {
        "rows": page.rows,
        "page": _neighbours(query, page),
        "paged": "after" in query or "before" in query,
        "wanted": wanted,
        "limited": limited and _newest(query),
        "further": FURTHER,
        "further_href": None if "further" in query else address(with_value(query, further=1)),
        "kept": [(key, value) for key in SEARCHED for value in query.getlist(key)],
        "rail": build_facets(query, wanted, facets),
        "refresh_href": address(query),
        "sort_href": address(with_value(query, sort="-created" if ascending else "created")),
        "may_order": bool(verbs),
        "row_verbs": [verb for verb in verbs if not verb.needs_checkpoint],
        "bulk_verbs": _bulk_verbs(verbs, wanted),
        "only_deleted": wanted.states == TRASH,
        "now": timezone.now(),
        **_desk(request, found, style),
    }
    return render(request, "sessions/list/list.html", context)


def _desk(request: HttpRequest, found: FacetCounts, style: ListStyle) -> dict[str, Any]:
    """The user's views, columns and density."""
    user = user_of(request)
    views = queries.visible(user)
    current = queries.opened(request.GET, views, user, style)
    unshown = hidden(style, request.GET.get("columns"))
    query = queries.canonical(request.GET)
    return {
        **(_begun(user, current) if current or query else {}),
        "saved_views": queries.entries(views, user, current, found, access(request)),
        "current_view": current,
        "view_query": query,
        "style": style,
        "hidden": unshown,
        "columns": [(name, word, name not in unshown) for name, word in COLUMNS.items()],
        "densities": ListStyle.Density.choices,
        "trash_days": trash_days(),
    }


def _begun(user: User, current: queries.OpenView | None) -> dict[str, QueryDict | None]:
    """Drafts of names for views."""
    own = current.draft_name if current and current.mine else ""
    found = drafts.find_all(user, {"view:new", own})
    return {"begun_new": found.get("view:new"), "begun_name": found.get(own)}


def _bulk_verbs(verbs: Sequence[Verb], wanted: ListFilter) -> list[Verb]:
    """Verbs that are possible for sessions in the list: in the trash, or outside of it."""
    if wanted.states == TRASH:
        return [verb for verb in verbs if verb.states & TRASH]
    return [verb for verb in verbs if wanted.shows_deleted or verb.states - TRASH]


def _page(query: QueryDict, wanted: ListFilter, found: QuerySet[AgentSession]) -> PageOfRows:
    return read_page(found, **ListQuery.read(query), descending=wanted.sort == "-created")


def _searched(query: QueryDict, wanted: ListFilter) -> tuple[ListFilter, PageOfRows, bool]:
    """Reads the page. A search without an index is stopped after seconds, which the page reports.

    The last value says whether there are more sessions than were searched.
    """
    all_of_them = AgentSession.objects.all()
    if wanted.errors or not wanted.is_deep:
        return wanted, _page(query, wanted, wanted.queryset(all_of_them)), False
    try:
        with transaction.atomic():
            beyond = _patient(wanted.beyond(all_of_them, _newest(query)))
            found = wanted.since(all_of_them, beyond or BEGINNING)
            return wanted, _page(query, wanted, found), beyond is not None
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        text = _("This search takes too long. Add a state, an agent type or a user.")
        return replace(wanted, errors=(text,)), PageOfRows(()), False


def _newest(query: QueryDict) -> int:
    return FURTHER if "further" in query else NEAR


def _patient(beyond: QuerySet[AgentSession, Any]) -> datetime | None:
    """The end of the search range. Also sets the timeout for the queries that follow."""
    sql, parameters = beyond.query.sql_with_params()
    with connection.cursor() as cursor:
        asked = f"SELECT set_config('statement_timeout', %s, true), ({sql})"
        cursor.execute(asked, [str(PATIENCE_MS), *parameters])
        found: tuple[str, datetime | None] = cursor.fetchone()
        return found[1]


def _neighbours(query: QueryDict, page: PageOfRows) -> dict[str, str | None]:
    return {
        "newer_href": _place(query, "before", page.previous),
        "older_href": _place(query, "after", page.next),
    }


def _place(query: QueryDict, side: str, key: PageKey | None) -> str | None:
    return None if key is None else address(with_value(query, **{side: key}))

"""The list of sessions."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from ..counts import counts
from ..filters import ListFilter
from ..models import AgentSession
from ..paging import Key, Page, read_page
from ..presentation import VERBS
from ..rail import address, rail, with_value
from .access import may_operate, viewers_only

BULK_VERBS = ("pause", "resume", "complete", "fail", "rollback", "delete")
SEARCHED = ("state", "type", "user", "sort")


@viewers_only
@require_GET
def sessions(request: HttpRequest) -> HttpResponse:
    query = request.GET
    wanted = ListFilter.from_query(query)
    page = _page(query, wanted)
    facets = counts().facets(wanted)
    ascending = wanted.sort == "created"
    context = {
        "rows": page.rows,
        "page": _neighbours(query, page),
        "paged": "after" in query or "before" in query,
        "wanted": wanted,
        "kept": [(key, value) for key in SEARCHED for value in query.getlist(key)],
        "rail": rail(query, wanted, facets),
        "refresh_href": address(query),
        "sort_href": address(with_value(query, sort="-created" if ascending else "created")),
        "may_operate": may_operate(request),
        "verbs": VERBS.values(),
        "bulk_verbs": [VERBS[name] for name in _bulk_verbs(wanted)],
        "now": timezone.now(),
    }
    return render(request, "sessions/list.html", context)


def _bulk_verbs(wanted: ListFilter) -> Sequence[str]:
    """What is in the trash can only be restored."""
    if not wanted.shows_deleted:
        return BULK_VERBS
    return ("restore",) if wanted.states == {"deleted"} else (*BULK_VERBS, "restore")


def _page(query: QueryDict, wanted: ListFilter) -> Page:
    return read_page(
        wanted.queryset(AgentSession.objects.all()),
        after=Key.parse(query.get("after", "")),
        before=Key.parse(query.get("before", "")),
        descending=wanted.sort == "-created",
    )


def _neighbours(query: QueryDict, page: Page) -> dict[str, str | None]:
    return {
        "newer_href": _place(query, "before", page.previous),
        "older_href": _place(query, "after", page.next),
    }


def _place(query: QueryDict, side: str, key: Key | None) -> str | None:
    return None if key is None else address(with_value(query, **{side: key}))

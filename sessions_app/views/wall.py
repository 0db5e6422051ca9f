"""The wall board: one view, large, live, without controls."""

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from agent_sessions.states import SessionState

from ..choices import CONDITIONS, STATES
from ..decorators import viewers_only
from ..models import AgentSession
from ..permissions import access
from ..saved_views import queries
from ..saved_views.models import SavedView
from ..selectors.facet_counts import counts
from ..selectors.filters import ListFilter
from ..selectors.pagination import read_page
from .saved_views import user_of

ROWS = 14
TILES = (SessionState.ACTIVE, SessionState.PAUSED, *CONDITIONS, SessionState.FAILED)


@viewers_only
@require_GET
def wall(request: HttpRequest, id: int | None = None) -> HttpResponse:
    view = _view(user_of(request), id)
    wanted = ListFilter.from_query(view.query if view else "", access(request))
    facets = counts().facets(wanted)
    sessions = wanted.queryset(AgentSession.objects.all())
    page = read_page(sessions, descending=wanted.sort == "-created", size=ROWS)
    signs = {**STATES, **CONDITIONS}
    context = {
        "view": view,
        "wanted": wanted,
        "rows": page.rows,
        "tiles": [(signs[name], facets.states.get(name, 0)) for name in TILES],
        "now": timezone.now(),
    }
    return render(request, "sessions/wall/wall.html", context)


def _view(user: User, id: int | None) -> SavedView | None:
    if id is None:
        return None
    return get_object_or_404(queries.readable(user), id=id)

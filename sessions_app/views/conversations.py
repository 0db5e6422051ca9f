"""Live conversations of all agents: statistics, and a list that refreshes itself."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from agent_sessions import InvalidInput

from ..decorators import requires
from ..permissions import CONTENT, access
from ..selectors.conversation_client import live_page
from .orders import is_fetch

PAGE = 50


@requires(CONTENT)
@require_GET
def conversations(request: HttpRequest) -> HttpResponse:
    if not access(request).sees_conversations:
        raise PermissionDenied
    try:
        page, stats = live_page(PAGE, request.GET.get("after") or None)
    except InvalidInput:
        raise Http404 from None
    template = "_conversations.html" if is_fetch(request) else "conversations.html"
    response = render(
        request, f"sessions/conversations/{template}", {"found": page, "stats": stats}
    )
    response["Cache-Control"] = "no-store"
    return response

"""The context and the metadata, piece by piece: branches, whole texts, search, the file."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from .. import tree
from ..models import AgentSession, PastContext
from .access import viewers_only


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

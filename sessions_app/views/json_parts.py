"""Context and metadata in parts: branches, whole texts, search, download."""

import json
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ..decorators import requires
from ..forms import JsonPartQuery
from ..models import AgentSession, PastContext
from ..permissions import CONTENT, access
from ..rendering import json_tree
from ..selectors import session
from .orders import is_fetch


@requires(CONTENT)
@require_GET
def context(request: HttpRequest, id: UUID, part: str) -> HttpResponse:
    """A part of the context: for an opened branch, or as a page of its own."""
    if not session.is_visible(id, access(request)):
        raise Http404
    asked = JsonPartQuery.read(request.GET)
    value, place = _part(id, part, asked["version"]), _place(id, part, asked["version"])
    if asked["find"]:
        return _found(request, value, asked["find"], place)
    try:
        path, found = json_tree.find(value, asked["path"])
    except LookupError:
        raise Http404 from None
    if asked["download"]:
        return _file(found, f"{part}-{id}.json")
    if isinstance(found, str):
        return HttpResponse(found, content_type="text/plain; charset=utf-8")
    if asked["raw"]:
        return HttpResponse(
            json.dumps(found, ensure_ascii=False, indent=2), content_type="application/json"
        )
    node = json_tree.build(found, at=path, start=asked["start"] or 0)
    template = (
        "sessions/session/_nodes.html" if is_fetch(request) else "sessions/session/branch.html"
    )
    return render(request, template, {"node": node, **place})


def _found(request: HttpRequest, value: Any, wanted: str, place: dict[str, Any]) -> HttpResponse:
    template = (
        "sessions/session/_found.html" if is_fetch(request) else "sessions/session/found.html"
    )
    found = json_tree.search(value, wanted)
    return render(request, template, {"found": found, "wanted": wanted, **place})


def _place(id: UUID, part: str, version: int | None) -> dict[str, Any]:
    past = "" if version is None else f"&version={version}"
    return {"part": part, "session_id": id, "past_query": past}


def _file(value: Any, name: str) -> HttpResponse:
    response = HttpResponse(
        json.dumps(value, ensure_ascii=False, indent=2) + "\n", content_type="application/json"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _part(id: UUID, part: str, version: int | None) -> Any:
    """The current context or metadata, or the context of a past version."""
    if part == "context" and version is not None:
        found = PastContext.objects.of(id).context(version)
        if found is not None:
            return found
    values = AgentSession.objects.filter(id=id).values_list(part, flat=True)
    if not values.exists():
        raise Http404
    return values.first() or {}

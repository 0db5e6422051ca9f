"""The context and the metadata, piece by piece: branches, whole texts, search, the file."""

import json
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ..access import viewers_only
from ..models import AgentSession, PastContext
from ..numbers import BIGINT, whole
from ..rendering import json_tree
from .orders import is_fetch

LONGEST_SEARCH = 200


@viewers_only
@require_GET
def context(request: HttpRequest, id: UUID, part: str) -> HttpResponse:
    """A piece of the context: for the page when a branch is opened, and as a page of its own."""
    asked = request.GET
    value = _part(id, part, asked.get("version", ""))
    if asked.get("find"):
        return _found(request, id, part, value)
    try:
        path, found = json_tree.find(value, asked.get("path", ""))
    except LookupError:
        raise Http404 from None
    if asked.get("download"):
        return _file(found, f"{part}-{id}.json")
    if isinstance(found, str):
        return HttpResponse(found, content_type="text/plain; charset=utf-8")
    if asked.get("raw"):
        return HttpResponse(
            json.dumps(found, ensure_ascii=False, indent=2), content_type="application/json"
        )
    start = asked.get("start", "")
    node = json_tree.build(found, at=path, start=whole(start) or 0)
    template = (
        "sessions/session/_nodes.html" if is_fetch(request) else "sessions/session/branch.html"
    )
    return render(request, template, {"node": node, **_place(request, id, part)})


def _found(request: HttpRequest, id: UUID, part: str, value: Any) -> HttpResponse:
    wanted = request.GET["find"][:LONGEST_SEARCH]
    template = (
        "sessions/session/_found.html" if is_fetch(request) else "sessions/session/found.html"
    )
    found = json_tree.search(value, wanted)
    return render(
        request, template, {"found": found, "wanted": wanted, **_place(request, id, part)}
    )


def _place(request: HttpRequest, id: UUID, part: str) -> dict[str, Any]:
    version = whole(request.GET.get("version", ""), BIGINT)
    past = "" if version is None else f"&version={version}"
    return {"part": part, "session_id": id, "past_query": past}


def _file(value: Any, name: str) -> HttpResponse:
    response = HttpResponse(
        json.dumps(value, ensure_ascii=False, indent=2) + "\n", content_type="application/json"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _part(id: UUID, part: str, version: str) -> Any:
    """The context or metadata of now, or the context of a past version."""
    number = whole(version, BIGINT)
    if part == "context" and number is not None:
        past = PastContext.objects.filter(session_id=id, context_version=number)
        found = past.values_list("context", flat=True).first()
        if found is not None:
            return found
    values = AgentSession.objects.filter(id=id).values_list(part, flat=True)
    if not values.exists():
        raise Http404
    return values.first() or {}

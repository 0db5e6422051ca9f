"""Limits request bodies: short for forms, long for edits of context and metadata (4 MiB each)."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.problems import is_for_api, problem

# URLs of edits. Their bodies hold the typed text and the loaded one, in which every letter may be escaped.
EDITS = re.compile(
    r"/sessions/[0-9a-f-]{36}/edits/new/|/admin/sessions_app/agentsession/[0-9a-f_D-]{36,80}/change/"
)
API_EDITS = re.compile(r"/api/sessions/[0-9a-f-]{36}/edits")


class BodyLimitMiddleware:
    """Answers 413 to too large bodies.

    Needs `request.user`: only logged-in users get the high limit. Edits of the API get it, too: the API checks the
    token before it reads a body.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        small = settings.SHORT_BODY_BYTES
        size = _size(request)
        if size > small and size > _limit(request, small):
            return too_large(request)
        return self.get_response(request)


def _size(request: HttpRequest) -> int:
    """A chunked body has no length; the server has received it whole by now."""
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        return len(request.body)
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else 0


def _limit(request: HttpRequest, small: int) -> int:
    known = EDITS.fullmatch(request.path_info) and request.user.is_authenticated
    if known or API_EDITS.fullmatch(request.path_info):
        return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)
    return small


def too_large(request: HttpRequest) -> HttpResponse:
    if is_for_api(request):
        return problem(413)
    return render(request, "413.html", status=413)

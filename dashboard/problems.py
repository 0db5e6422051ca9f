"""Problem documents (RFC 9457) for every error under /api/, whatever raises it. In English."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

API = "/api/"
CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Problem:
    """`detail` is the default text."""

    title: str
    status: int
    detail: str


# The first entry of a status is used for responses of Django and of the server.
PROBLEMS = (
    Problem("malformed", 400, "The request cannot be read."),
    Problem("not-logged-in", 401, "Log in, or send a token: “Authorization: Bearer …”."),
    Problem("forbidden", 403, "You may not do this."),
    Problem("not-found", 404, "There is nothing at this address."),
    Problem("session-not-found", 404, "There is no such session."),
    Problem("checkpoint-not-found", 404, "There is no such checkpoint in this session."),
    Problem("method-not-allowed", 405, "This address does not take this method; see Allow."),
    Problem("refused", 409, "The order cannot be carried out now."),
    Problem("invalid-transition", 409, "The verb is not possible in this state."),
    Problem("conflict", 409, "Someone else changed this session meanwhile."),
    Problem("conflict", 412, "Someone else changed this session meanwhile."),
    Problem("too-large", 413, "The request is too large."),
    Problem("unsupported-media-type", 415, "Send JSON, with “Content-Type: application/json”."),
    Problem("invalid-input", 422, "The request cannot be understood."),
    Problem("request-reused", 422, "This Idempotency-Key was used before for another request."),
    Problem("too-many-requests", 429, "Too many requests: wait, then send it again."),
    Problem("internal-error", 500, "Something went wrong on the server; it is in its log."),
    Problem("storage-unavailable", 503, "The database cannot be reached."),
)


def known_problem(status: int, title: str = "") -> Problem:
    """The problem of this status and title, else the first of the status, else that of its class."""
    if named := [one for one in PROBLEMS if (one.status, one.title) == (status, title)]:
        return named[0]
    other = Problem("internal-error", 500, "") if status >= 500 else Problem("refused", 409, "")
    found = next((problem for problem in PROBLEMS if problem.status == status), other)
    return Problem(found.title, status, found.detail or "The request was refused.")


def document(status: int, title: str = "", detail: str = "", **more: Any) -> dict[str, Any]:
    known = known_problem(status, title)
    title = title or known.title
    return {
        "type": f"urn:agent-sessions:{title}",
        "title": title,
        "status": status,
        "detail": detail or known.detail,
        **more,
    }


def problem(status: int, title: str = "", detail: str = "", **more: Any) -> HttpResponse:
    return HttpResponse(
        json.dumps(document(status, title, detail, **more), cls=DjangoJSONEncoder),
        status=status,
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store"},
    )


def is_for_api(request: HttpRequest) -> bool:
    return request.path_info.startswith(API)


class ProblemsMiddleware:
    """Turns error pages of Django and of all middleware after this one into problem documents."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code < 400 or not is_for_api(request):
            return response
        if response.get("Content-Type") != CONTENT_TYPE:
            response.content = json.dumps(document(response.status_code)).encode()
            response["Content-Type"] = CONTENT_TYPE
            response["Content-Length"] = str(len(response.content))
            response["Content-Language"] = "en"
            response["Cache-Control"] = "no-store"
        return response


class LanguageMiddleware(LocaleMiddleware):
    """Always English for the API: programs must not depend on the caller's language."""

    def process_request(self, request: HttpRequest) -> None:
        if not is_for_api(request):
            super().process_request(request)
            return
        translation.activate("en")
        request.LANGUAGE_CODE = "en"

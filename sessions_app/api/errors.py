"""Errors as problem documents (RFC 9457), in English."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from agent_sessions import (
    CheckpointNotFound,
    Conflict,
    EditConflict,
    InvalidInput,
    InvalidTransition,
    PathConflict,
    RequestReused,
    SessionError,
    SessionNotFound,
    StorageUnavailable,
)
from agent_sessions.json_merge import MISSING
from dashboard.problems import problem

from ..actions import explain
from ..json_input import RepeatedKey

MAX_CONFLICTS = 100

# Title and status of each error; the first class that matches counts.
KNOWN: tuple[tuple[type[SessionError], str, int], ...] = (
    (SessionNotFound, "session-not-found", 404),
    (CheckpointNotFound, "checkpoint-not-found", 404),
    (InvalidTransition, "invalid-transition", 409),
    (Conflict, "conflict", 409),
    (RequestReused, "request-reused", 422),
    (InvalidInput, "invalid-input", 422),
    (StorageUnavailable, "storage-unavailable", 503),
    (SessionError, "refused", 409),
)


class UnsupportedMediaType(ValueError):
    """The Content-Type is not JSON."""


def install(api: NinjaAPI) -> None:
    for kind, handler in (
        (SessionError, refused),
        (ValidationError, unreadable),
        (AuthenticationError, unknown_caller),
        (HttpError, http_error),
        (Http404, not_found),
        (RequestDataTooBig, too_large),
    ):
        api.add_exception_handler(kind, handler)  # type: ignore[arg-type]


def refused(request: HttpRequest, error: SessionError) -> HttpResponse:
    name, status = next((name, status) for kind, name, status in KNOWN if isinstance(error, kind))
    more: dict[str, Any] = {}
    if isinstance(error, InvalidTransition):
        more = {"state": error.current, "verb": error.verb}
    if isinstance(error, Conflict):
        status = 412 if "If-Match" in request.headers else status
        more = _how_it_is_now(error)
    response = problem(status, name, sentence(error), **more)
    if status == 503:
        response["Retry-After"] = "2"
    return response


def sentence(error: SessionError) -> str:
    """The error's text; empty for the default text of its kind."""
    return "" if isinstance(error, RequestReused) else explain(error)


def _how_it_is_now(error: Conflict) -> dict[str, Any]:
    now = error.current
    if now is None:
        return {"actor": error.actor}
    more: dict[str, Any] = {"actor": error.actor, "state": now.state.value, "version": now.version}
    if isinstance(error, EditConflict):
        more["loaded_known"] = error.loaded_known
        more["conflicts"] = [_conflict(one) for one in error.conflicts[:MAX_CONFLICTS]]
    return more


def _conflict(found: PathConflict) -> dict[str, Any]:
    """Omits values that do not exist."""
    values = {"loaded": found.loaded, "now": found.now, "mine": found.mine}
    there = {name: value for name, value in values.items() if value is not MISSING}
    return {"part": found.part, "path": found.path, "actor": found.actor, "at": found.at, **there}


def unreadable(request: HttpRequest, error: ValidationError) -> HttpResponse:
    if request.method == "POST" and not request.body:
        return problem(400, detail="The body is empty: a JSON object is needed, at least {}.")
    errors = [{"where": _where(e["loc"]), "what": str(e["msg"])} for e in error.errors[:20]]
    return problem(
        422, "invalid-input", "The request cannot be understood; see errors.", errors=errors
    )


def _where(location: Any) -> str:
    """The path of a value, such as `body.reason`, without ninja's names of parameters."""
    parts = [str(part) for part in location]
    return ".".join(parts[:1] + [part for part in parts[1:] if part not in {"order", "asked"}])


def unknown_caller(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    response = problem(401)
    response["WWW-Authenticate"] = "Bearer"
    return response


def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, RepeatedKey):
        return refused(request, error.__cause__)
    if isinstance(error.__cause__, UnsupportedMediaType):
        return problem(415)
    # of json_input: what is wrong with the JSON, and where
    if isinstance(error.__cause__, InvalidInput):
        return problem(error.status_code, detail=explain(error.__cause__))
    text = str(error)
    if text.startswith("Cannot parse request body"):  # ninja's own text
        text = "The body cannot be read: a JSON object is needed."
    return problem(error.status_code, detail=text)


def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(404, "not-found", str(error) or "There is no such session.")


def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem(413)

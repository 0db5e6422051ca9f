"""Middleware that answers 503 while the database is unavailable; the page then reloads itself."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TypeGuard

from django.conf import settings
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.module_loading import import_string
from django.views import defaults
from psycopg.errors import ReadOnlySqlTransaction, UndefinedTable

from agent_sessions import StorageUnavailable
from dashboard.errors import first_line
from dashboard.problems import is_for_api, problem

AWAY = (OperationalError, InterfaceError, StorageUnavailable)
RETRY_SECONDS = "5"
log = logging.getLogger(__name__)


class DatabaseErrorsMiddleware:
    """Connects first, so that session, user, page and log do not each wait for a timeout."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            connection.ensure_connection()
        except AWAY as error:
            return away(request, error)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return away(request, error) if is_away(error) else None


def is_away(error: BaseException | None) -> TypeGuard[Exception]:
    return isinstance(error, AWAY) or is_read_only(error) or _lacks_table(error)


def is_read_only(error: BaseException | None) -> bool:
    """Whether PostgreSQL refused to write, so that nothing was stored: it is set to read-only, or is a standby now."""
    seen = error
    while seen is not None and not isinstance(seen, ReadOnlySqlTransaction):
        seen = seen.__cause__
    return seen is not None and isinstance(error, (DatabaseError, StorageUnavailable))


def _lacks_table(error: BaseException | None) -> bool:
    """Whether a table is missing. Servers check that at start, so a restore is in progress."""
    return isinstance(error, ProgrammingError) and isinstance(error.__cause__, UndefinedTable)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: covers database errors in middleware, before or after the view."""
    error = sys.exc_info()[1]
    if is_away(error):
        return away(request, error)
    if hasattr(request, "draft_kept_at"):
        page = render_to_string("500.html", {"draft_kept_at": request.draft_kept_at})
        return HttpResponse(page, status=500)
    return defaults.server_error(request)


def away(request: HttpRequest, error: Exception) -> HttpResponse:
    log.warning("%s is answered with 503: %s", request.path, first_line(error))
    headers = {"Retry-After": RETRY_SECONDS, "Cache-Control": "no-store"}
    if is_for_api(request):
        detail = "The database stores nothing: it can only be read." if is_read_only(error) else ""
        response = problem(503, detail=detail)
        response["Retry-After"] = RETRY_SECONDS
        return response
    again = request.method in ("GET", "HEAD")
    form = None if again else import_string(settings.FORM_TO_SEND_AGAIN)(request)
    facts = {"again": again and RETRY_SECONDS, "form": form, "read_only": is_read_only(error)}
    page = render_to_string("503.html", facts)
    return HttpResponse(page, status=503, headers=headers)

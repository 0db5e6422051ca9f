"""While the database is away every page says so, soon, and comes back by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from dashboard.problems import first_line

RETRY_SECONDS = "5"
log = logging.getLogger(__name__)


class DatabaseAwayMiddleware:
    """Asks for a connection first: otherwise session, user, page and log would each wait for one in turn."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            connection.ensure_connection()
        except (OperationalError, InterfaceError) as error:
            return away(request, error)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return (
            away(request, error) if isinstance(error, OperationalError | InterfaceError) else None
        )


def away(request: HttpRequest, error: Exception) -> HttpResponse:
    log.warning("%s is answered with 503: %s", request.path, first_line(error))
    headers = {"Retry-After": RETRY_SECONDS, "Cache-Control": "no-store"}
    if request.path.startswith("/api/"):
        name = "storage-unavailable"
        body = {"type": f"urn:agent-sessions:{name}", "title": name, "status": 503}
        body["detail"] = _("The database cannot be reached.")
        return JsonResponse(
            body, status=503, content_type="application/problem+json", headers=headers
        )
    again = request.method in ("GET", "HEAD")
    page = render_to_string("503.html", {"again": again and RETRY_SECONDS})
    return HttpResponse(page, status=503, headers=headers)

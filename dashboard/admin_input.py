"""Middleware that answers 400 to invalid values in admin URLs.

Django's admin passes them to the database unchecked, which would end in a 500.
"""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import SuspiciousOperation, ValidationError
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.views import defaults


class AdminInputMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_for_admin(request) and "\x00" in _asked(request):
            return defaults.bad_request(request, SuspiciousOperation("a NUL in the address"))
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if is_for_admin(request) and is_of_a_value(error):
            return defaults.bad_request(request, error)
        return None


def is_of_a_value(error: Exception) -> bool:
    """Whether a value in the URL caused the error.

    For a key that is not a number Django raises a bare ValueError, so its text is compared.
    """
    if isinstance(error, ValueError):
        return "expected a number but got" in str(error)
    return isinstance(error, (DataError, ValidationError))


def is_for_admin(request: HttpRequest) -> bool:
    return request.path_info.startswith("/admin/")


def _asked(request: HttpRequest) -> str:
    pairs = (part for name, values in request.GET.lists() for part in (name, *values))
    return "".join((request.path, *pairs))

"""Authenticates API calls: a browser session with CSRF, or a token."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation
from ninja import Query
from ninja.errors import HttpError
from ninja.security import APIKeyCookie, HttpBearer

from ..permissions import access, access_of, labels
from . import tokens

T = TypeVar("T")
FromQuery = Annotated[T, Query()]


class Token(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Any:
        found = tokens.find(token)
        if found is None:
            return None
        request.user = found.user
        setattr(request, "access", access_of(found.user).limited_to(found.rights))  # noqa: B010
        return found.user


class BrowserSession(APIKeyCookie):
    """A log-in to the dashboard, with the CSRF check of its pages; a request with a token needs none."""

    param_name: str = settings.SESSION_COOKIE_NAME

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        """`key` is None for a request with a token: a cookie beside it does not count, and nobody checked CSRF."""
        return request.user if key is not None and request.user.is_authenticated else None

    def _get_key(self, request: HttpRequest) -> str | None:
        if "Authorization" in request.headers:
            return None
        try:
            return super()._get_key(request)
        except HttpError:
            raise HttpError(403, "The CSRF token is missing or wrong.") from None


AUTH = [Token(), BrowserSession()]


def require(request: HttpRequest, *rights: str) -> None:
    """Raises 403, which names the missing right. Without arguments: the right to see sessions."""
    if missing := access(request).missing(*rights):
        with translation.override("en"):
            label = labels()[missing]
            raise HttpError(403, f"You need the right “{label}” ({missing}) for this.")

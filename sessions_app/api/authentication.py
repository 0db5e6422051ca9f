"""Authenticates API calls: a browser session with CSRF, or a token."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from django.conf import settings
from django.http import HttpRequest
from ninja import Query
from ninja.errors import HttpError
from ninja.security import APIKeyCookie, HttpBearer

from ..choices import Verb
from ..permissions import may_look, may_operate, may_perform, permitted_verbs
from . import tokens

T = TypeVar("T")
FromQuery = Annotated[T, Query()]


class Token(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Any:
        user = tokens.user_of(token)
        if user is not None:
            request.user = user
        return user


class BrowserSession(APIKeyCookie):
    """A log-in to the dashboard, with the CSRF check of its pages; a request with a token needs none."""

    param_name: str = settings.SESSION_COOKIE_NAME

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        return request.user if request.user.is_authenticated else None

    def _get_key(self, request: HttpRequest) -> str | None:
        if "Authorization" in request.headers:
            return None
        try:
            return super()._get_key(request)
        except HttpError:
            raise HttpError(403, "The CSRF token is missing or wrong.") from None


AUTH = [Token(), BrowserSession()]


def require_look(request: HttpRequest) -> None:
    if not may_look(request.user):
        raise HttpError(403, "You may not look at sessions.")


def require_permission(request: HttpRequest, verb: Verb) -> None:
    if not may_perform(request.user, verb):
        require_look(request)
        others = "give this order" if permitted_verbs(request.user) else "change them"
        raise HttpError(403, f"You may look at sessions, but not {others}.")


def require_operate(request: HttpRequest) -> None:
    if not may_operate(request.user):
        require_look(request)
        raise HttpError(403, "You may look at sessions, but not change them.")

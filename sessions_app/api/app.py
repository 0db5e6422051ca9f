"""The API: its routers, authentication and error handlers."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from ninja.errors import AuthenticationError
from ninja.parser import Parser

from agent_sessions import InvalidInput

from .. import json_input
from . import errors
from .authentication import AUTH, Token
from .export import router as export
from .openapi import DescribedAPI
from .orders import router as orders
from .parameters import refuse_unknown, require_known
from .sessions import router as reading

JSON = re.compile(r"application/(\S+\+)?json")


class ObjectParser(Parser):
    """Parses JSON objects; refuses repeated keys, other values and other content types.

    ninja would take a list where an object belongs for an empty object, and accept a form whose
    text happens to be JSON.
    """

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        if not JSON.fullmatch(request.content_type or ""):
            raise errors.UnsupportedMediaType(request.content_type)
        body = json_input.read(request.body)
        if not isinstance(body, dict):
            raise ValueError("no JSON object")
        return body


def for_who_is_known(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Requires a token or a log-in, for the API's description."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        sent = "Authorization" in request.headers
        if not (Token()(request) if sent else request.user.is_authenticated):
            return errors.unknown_caller(request, AuthenticationError())
        try:
            require_known(request.GET, ())
        except InvalidInput as error:
            return errors.refused(request, error)
        return view(request, *args, **kwargs)

    return require_safe(guarded)


api = DescribedAPI(
    title="Agent sessions",
    version="1",
    description="Sessions of agents: look, order, export. See docs/api.md.",
    urls_namespace="api",
    auth=AUTH,
    parser=ObjectParser(),
    docs_url=None,
    docs_decorator=for_who_is_known,
)
errors.install(api)
for router in (export, reading, orders):
    api.add_router("", refuse_unknown(router))

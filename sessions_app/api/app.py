"""The API as a whole."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.parser import Parser

from .. import given_json
from . import problems
from .access import AUTH
from .export import router as export
from .orders import router as orders
from .reading import router as reading


class ObjectParser(Parser):
    """A key that stands twice is refused. A list where an object belongs would otherwise be taken for an empty one."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        body = given_json.read(request.body)
        if not isinstance(body, dict):
            raise ValueError("no JSON object")
        return body


api = NinjaAPI(
    title="Agent sessions",
    version="1",
    description="Sessions of agents: look, order, export. See docs/api.md.",
    urls_namespace="api",
    auth=AUTH,
    parser=ObjectParser(),
    docs_url=None,
    docs_decorator=login_required,
)
problems.install(api)
for router in (export, reading, orders):
    api.add_router("", router)

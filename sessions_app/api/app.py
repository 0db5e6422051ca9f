"""The API as a whole."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from ninja import NinjaAPI

from . import problems
from .access import AUTH
from .export import router as export
from .orders import router as orders
from .reading import router as reading

api = NinjaAPI(
    title="Agent sessions",
    version="1",
    description="Sessions of agents: look, order, export. See docs/api.md.",
    urls_namespace="api",
    auth=AUTH,
    docs_url=None,
    docs_decorator=login_required,
)
problems.install(api)
for router in (export, reading, orders):
    api.add_router("", router)

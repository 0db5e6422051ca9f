"""The ASGI application: pages over HTTP, the live feed over WebSocket."""

from __future__ import annotations

import gc
import os
from typing import Any

from dashboard.errors import exit_with_message


def build() -> Any:
    """Builds the application. Failed checks end the process with a message."""
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.conf import settings
    from django.core.asgi import get_asgi_application

    pages = get_asgi_application()

    from dashboard import url_prefix
    from dashboard.bodies import limited, refuse_in_daphne
    from dashboard.preflight import check_before_serving
    from sessions_app.bulk.worker import background
    from sessions_app.live.sockets.routing import websocket_urlpatterns

    check_before_serving()
    background.start()
    refuse_in_daphne()
    # No authentication or origin middleware: the feed checks user and origin itself.
    sockets = URLRouter(websocket_urlpatterns)
    # no later garbage collection scans loaded modules; with 1,000 pages open that cost shows
    gc.freeze()
    router = ProtocolTypeRouter({"http": limited(pages), "websocket": sockets})
    return url_prefix.below(settings.URL_PREFIX, router)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
with exit_with_message():
    application = build()

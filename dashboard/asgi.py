"""What an ASGI server serves: pages over HTTP, the live feed over WebSocket."""

from __future__ import annotations

import gc
import os
from typing import Any

from dashboard.errors import exit_with_message


def build() -> Any:
    """Checked before it serves: a server started by hand says what is missing, and ends."""
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
    # The feed asks by itself who is there, and from where.
    sockets = URLRouter(websocket_urlpatterns)
    gc.freeze()  # what was loaded stays: with a thousand pages open, looking through it again is felt
    router = ProtocolTypeRouter({"http": limited(pages), "websocket": sockets})
    return url_prefix.below(settings.URL_PREFIX, router)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
with exit_with_message():
    application = build()

"""The hub from Django's settings, one for each event loop."""

import asyncio
import atexit
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings

from agent_sessions.conversation import ConversationConfig
from sessions_app.manager_portal import announce
from sessions_app.selectors.conversation_client import stamps

from .hub import Hub

_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """This process's hub, started with the first page: ASGI servers offer no earlier hook."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = found = Hub(
            listen_parameters,
            settings.VALKEY_URL,
            settings.SESSION_NAMESPACE,
            announce=announce,
            conversation_channel=f"{ConversationConfig().valkey_prefix}changes",
            read_stamps=stamps,
        )
        found.start()
        atexit.register(_end, loop, found)
    return _hubs[loop]


def running_hub() -> Hub | None:
    """The hub of this loop or, called from a thread, of this process."""
    return next(iter(_hubs.values()), None)


def listen_parameters() -> dict[str, Any]:
    """For a connection past every pool: LISTEN does not survive a transaction pooler."""
    alive = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
    return {
        "conninfo": settings.LISTEN_DATABASE_URL or settings.DATABASE_URL,
        **alive,
        "connect_timeout": 3,
        "application_name": "sessions feed",
    }


def _end(loop: asyncio.AbstractEventLoop, ending: Hub) -> None:
    """Ends the hub's loops at exit: daphne does not signal its end, and would destroy them while they run."""
    if not loop.is_running() and not loop.is_closed():
        loop.run_until_complete(ending.stop_loops())

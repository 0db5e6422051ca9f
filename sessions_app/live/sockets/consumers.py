"""A socket of the feed, from handshake to close. The hub decides what it is sent."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from ..factory import hub as running_hub
from . import close_codes, origin

log = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def feed(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Reads messages directly: Channels' dispatch costs a thread and a task for each.

    Accepts before the log-in is read: a browser cannot read the status of a refused handshake, and a thousand
    reconnects at once would exceed the server's time limit for it. Nothing is sent until the log-in is read.
    """
    await receive()
    if not origin.is_ours(scope):
        log.warning("a page of another origin was refused: %s", scope.get("client"))
        await send({"type": "websocket.close", "code": close_codes.NOT_ALLOWED})
        return
    await send({"type": "websocket.accept"})
    gateway = running_hub().gateway
    socket = gateway.join(send)
    gateway.admit(socket, scope)
    del scope  # frees memory that would be held while the page is open
    try:
        while (message := await receive())["type"] != "websocket.disconnect":
            gateway.on_message(socket, message)
    finally:
        gateway.leave(socket)

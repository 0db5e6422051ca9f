"""A socket of the feed, from handshake to close. What it is told, the hub decides."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from ..factory import hub as running_hub
from . import close_codes, origin

log = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def feed(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Reads its messages itself: Channels' dispatch costs a thread hop and a task for each of them.

    Accepts before it knows who is there: a browser cannot read the status of a refused handshake, and
    a thousand that come back at once would overrun the server's time for it. Until then nothing is said.
    """
    await receive()
    if not origin.is_ours(scope):
        log.warning("a page of another origin was refused: %s", scope.get("client"))
        await send({"type": "websocket.close", "code": close_codes.NOT_ALLOWED})
        return
    await send({"type": "websocket.accept"})
    pages = running_hub().gateway
    socket = pages.join(send)
    pages.admit(socket, scope)
    del scope  # which would be kept for as long as the page is open
    try:
        while (message := await receive())["type"] != "websocket.disconnect":
            pages.hear(socket, message)
    finally:
        pages.leave(socket)

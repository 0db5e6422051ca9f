"""A socket of the feed, from handshake to close. What it is told, the hub decides."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from channels.consumer import AsyncConsumer

from . import codes, origin
from .hub import Hub
from .reader import DatabaseAway
from .rights import Viewer
from .wiring import hub as running_hub

log = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

GOODBYE = 15.0


class FeedConsumer(AsyncConsumer):  # type: ignore[misc]
    """Reads its messages itself: Channels' dispatch costs a thread hop and a task for each of them."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        if not origin.is_ours(scope):
            log.warning("a page of another origin was refused: %s", scope.get("client"))
            await send({"type": "websocket.close", "code": codes.NOT_ALLOWED})
            return
        hub = running_hub()
        viewer = await _identify(hub, scope)
        await send({"type": "websocket.accept"})
        if isinstance(viewer, Viewer):
            await _attend(hub, viewer, receive, send)
        else:
            await _turn_away(viewer, receive, send)


async def _identify(hub: Hub, scope: dict[str, Any]) -> Viewer | int:
    try:
        return await hub.identify(scope)
    except DatabaseAway as error:
        log.warning("nobody can be recognised: %s", error)
        return codes.TRY_AGAIN_LATER


async def _attend(hub: Hub, viewer: Viewer, receive: Receive, send: Send) -> None:
    socket = hub.join(viewer, send)
    try:
        while (message := await receive())["type"] != "websocket.disconnect":
            hub.hear(socket, message)
    finally:
        hub.leave(socket)


async def _turn_away(code: int, receive: Receive, send: Send) -> None:
    """After the handshake: a browser cannot read the status of a refused one."""
    await send({"type": "websocket.close", "code": code, "reason": codes.REASONS[code]})
    try:
        async with asyncio.timeout(GOODBYE):
            while (await receive())["type"] != "websocket.disconnect":
                pass
    except TimeoutError:
        log.debug("a page that was turned away keeps its socket open")

"""A page without a network, which keeps what it is sent as a browser would show it."""

from __future__ import annotations

import json
from typing import Any

from sessions_app.live.hub import Hub
from sessions_app.live.sockets.auth import Viewer
from sessions_app.live.sockets.connection import SocketConnection
from tests.support.access import FULL

VIEWER = Viewer(1, "key", "hash", "de", FULL)


class Screen:
    """Acknowledges every frame, unless told to stall."""

    def __init__(self, hub: Hub, *, acknowledges: bool = True, viewer: Viewer = VIEWER) -> None:
        self.hub, self.acknowledges = hub, acknowledges
        self.frames: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.rows: dict[str, dict[str, Any]] = {}
        self.touched: dict[str, dict[str, int]] = {}
        self.beats: dict[str, int] = {}
        self.socket: SocketConnection = hub.gateway.join(self._send)
        hub.gateway.welcome(self.socket, viewer)

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.close":
            self.closed = (message["code"], message["reason"])
        else:
            frame = json.loads(message["text"])
            self.frames.append(frame)
            self.rows.update(frame.get("rows", {}))
            self.touched.update(frame.get("touched", {}))
            for session_id, touch in frame.get("touched", {}).items():
                self._touch(session_id, touch)
            self.beats.update(frame.get("beats", {}))
            if self.acknowledges:
                self.says({"type": "ack", "n": frame["n"]})

    def _touch(self, session_id: str, touch: dict[str, int]) -> None:
        row = self.rows.setdefault(session_id, {"version": touch["after"]})
        if row["version"] == touch["after"]:
            row["version"] = touch["version"]

    def says(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self.hub.gateway.on_message(self.socket, {"type": "websocket.receive", "text": text})

    async def shows(self, rows: dict[str, int] | list[str], query: str = "", **more: Any) -> None:
        if isinstance(rows, list):
            rows = dict.fromkeys(rows, 1)
        self.says({"type": "hello", "page": "list", "query": query, "rows": rows, **more})
        await self.hub.tick()
        await self.settled()

    async def settled(self) -> None:
        """Waits until the socket's writer has written all that it may."""
        await self.socket.idle()

    def last(self, part: str) -> Any:
        return next((frame[part] for frame in reversed(self.frames) if part in frame), None)

    @property
    def status(self) -> Any:
        return self.last("feed")["status"]

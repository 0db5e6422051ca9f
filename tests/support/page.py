"""A client of the wire protocol: its parts, and an open page on a real socket.

The rules are those of static/js/core/feed.js and known_versions.js. tools/ use the same parts; only
tools/bench/websocket_pages.py reads frames itself, on bare asyncio, and says what that saves.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from sessions_app.live.limits import ACK_AFTER, ACK_BYTES, ACK_EVERY
from tests.support.waiting import HANGS

ASK_AGAIN_AFTER = 0.3
NOT_SHOWN = 2**63

Wire = Callable[[dict[str, Any]], Iterable[dict[str, Any]]]


def straight(frame: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return [frame]


def open_socket(url: str, cookie: str, origin: str | None = None) -> connect:
    """Opens a socket to the dashboard at `url`, as one of its pages or from another origin."""
    parts = urlsplit(url)
    address = (
        f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{parts.path.rstrip('/')}"
    )
    return connect(
        f"{address}/ws/sessions/",
        origin=Origin(f"{parts.scheme}://{parts.netloc}" if origin is None else origin),
        additional_headers={"Cookie": cookie} if cookie else {},
        max_size=None,
    )


def hello(seq: int, rows: Mapping[str, int], query: str = "") -> dict[str, Any]:
    """What a list sends first, and whenever it misses something: the versions that it shows."""
    return {"type": "hello", "page": "list", "query": query, "rows": rows, "seq": seq}


class Credit:
    """Decides when to acknowledge: after a number of frames or bytes, or a time."""

    def __init__(self) -> None:
        self._acked = self._unacked = 0
        self._acked_at = float("-inf")

    def is_due(self, n: int, size: int) -> bool:
        """Whether to acknowledge frame `n`, the newest, now."""
        self._unacked += size
        now = time.monotonic()
        waits = n - self._acked
        due = waits >= ACK_EVERY or self._unacked >= ACK_BYTES or now - self._acked_at >= ACK_AFTER
        if due:
            self._acked, self._unacked, self._acked_at = n, 0, now
        return due


class Versions(dict[str, int]):
    """The versions that a page shows. Takes only newer ones: frames may be late or repeated."""

    def takes(self, session_id: str, row: Mapping[str, Any]) -> bool:
        if row["version"] <= self.get(session_id, NOT_SHOWN):
            return False
        self[session_id] = 0 if row.get("gone") else row["version"]
        return True

    def takes_touch(self, session_id: str, touch: Mapping[str, Any]) -> bool | None:
        """None if the version that it builds on is missing."""
        shown = self.get(session_id, NOT_SHOWN)
        if touch["version"] <= shown:
            return False
        if shown != touch["after"]:
            return None
        self[session_id] = touch["version"]
        return True


class Lossy:
    """Loses 5 % of the frames and reorders the rest."""

    def __init__(self, seed: int, loss: float = 0.05) -> None:
        self._chance, self._loss = random.Random(seed), loss
        self._held: list[dict[str, Any]] = []
        self.lost = self.overtaken = 0

    def __call__(self, frame: dict[str, Any]) -> list[dict[str, Any]]:
        if self._chance.random() < self._loss:
            self.lost += 1
            return []
        self._held.append(frame)
        if len(self._held) < self._chance.randint(1, 3):
            return []
        released, self._held = self._held, []
        self._chance.shuffle(released)
        self.overtaken += sum(a["n"] > b["n"] for a, b in pairwise(released))
        return released


class Page:
    def __init__(
        self,
        url: str,
        cookie: dict[str, Any] | None,
        rows: Iterable[str] = (),
        *,
        query: str = "",
        origin: str | None = None,
        wire: Wire = straight,
    ) -> None:
        self.url, self.origin = url, origin
        self.cookie = f"{cookie['name']}={cookie['value']}" if cookie else ""
        self.versions = Versions(dict.fromkeys(rows, 0))
        self.html: dict[str, str] = {}
        self.beats: dict[str, int] = {}
        self.query, self.wire = query, wire
        self.frames = 0
        self.last = self.seq = 0
        self.told: dict[str, Any] = {}
        self.statuses: list[str] = []
        self.new = 0
        self.counts: dict[str, Any] = {}
        self.answered = self.missing = False
        self.code: int | None = None
        self._changed = asyncio.Event()
        self._asking: asyncio.TimerHandle | None = None
        self._credit = Credit()
        self._sends: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Page:
        self.socket: ClientConnection = await open_socket(self.url, self.cookie, self.origin)
        self._reading = asyncio.create_task(self._read())
        self.hello()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._asking:
            self._asking.cancel()
        await self.socket.close()
        await self._reading
        await asyncio.gather(*self._sends, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                for frame in self.wire(json.loads(text)):
                    self._receive(frame)
                self._changed.set()
        except websockets.ConnectionClosed:
            pass
        self.code = self.socket.close_code
        self._changed.set()

    def says(self, message: Any) -> None:
        task = asyncio.create_task(self._send(json.dumps(message)))
        self._sends.add(task)
        task.add_done_callback(self._sends.discard)

    async def _send(self, text: str) -> None:
        try:
            await self.socket.send(text)
        except websockets.ConnectionClosed:
            pass

    def hello(self) -> None:
        self._asking = None
        self.answered = self.missing = False
        self.seq += 1
        self.says(hello(self.seq, self.versions, self.query))

    def _receive(self, frame: dict[str, Any]) -> None:
        self.frames += 1
        late = frame["n"] <= self.last
        if frame["n"] > self.last + 1:
            self._miss()
        if not late:
            self._note(frame)
        for session_id, row in frame.get("rows", {}).items():
            if self.versions.takes(session_id, row):
                self.html[session_id] = row["html"]
        for session_id, touch in frame.get("touched", {}).items():
            self._touch(session_id, touch)
        for session_id, ms in frame.get("beats", {}).items():
            self.beats[session_id] = max(ms, self.beats.get(session_id, 0))
        self._acknowledge(frame)

    def _touch(self, session_id: str, touch: dict[str, Any]) -> None:
        taken = self.versions.takes_touch(session_id, touch)
        if taken:
            now = f'data-version="{touch["version"]}"'
            self.html[session_id] = re.sub(
                'data-version="[0-9]+"', now, self.html[session_id], count=1
            )
        elif taken is None and self.answered:
            self._miss()

    def _note(self, frame: dict[str, Any]) -> None:
        self.last, self.told = frame["n"], frame["feed"]
        if self.statuses[-1:] != [frame["feed"]["status"]]:
            self.statuses.append(frame["feed"]["status"])
        if frame.get("hello") == self.seq:
            self.answered = True
        self.new = frame.get("new", self.new)
        self.counts = frame.get("counts", self.counts)

    def _miss(self) -> None:
        self.missing = True
        if self._asking is None:
            self._asking = asyncio.get_running_loop().call_later(ASK_AGAIN_AFTER, self.hello)

    def _acknowledge(self, frame: dict[str, Any]) -> None:
        if self._credit.is_due(self.last, len(json.dumps(frame))):
            self.says({"type": "ack", "n": self.last})

    @property
    def is_live(self) -> bool:
        return self.answered and not self.missing and self.told["status"] == "live"

    async def until(self, condition: Callable[[], object], seconds: float = HANGS) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                if self.code is not None and self._reading.done():
                    assert condition(), f"closed with {self.code}"
                    return
                await self._changed.wait()

    async def shows(self, versions: dict[str, int]) -> None:
        await self.until(lambda: self.versions == versions)

    async def is_closed(self, seconds: float = HANGS) -> int:
        async with asyncio.timeout(seconds):
            await asyncio.wait([self._reading])
        assert self.code is not None
        return self.code

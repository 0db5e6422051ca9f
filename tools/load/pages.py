"""`python -m tools.load.pages URL COOKIE PAGES`: so many open lists in this process. Reads the ids they show from stdin."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from sessions_app.live.limits import ACK_AFTER, ACK_BYTES, ACK_EVERY
from tools.load.figures import Said

ROWS = 50
AT_ONCE = 50
PROGRESS = re.compile(r'data-progress="(\d+)"')


class Page:
    """Acknowledges as a browser does."""

    def __init__(self, shown: list[str], said: Said) -> None:
        self._shown, self._said = shown, said
        self._versions = dict.fromkeys(shown, 0)
        self._beats: dict[str, int] = {}

    async def open(self, url: str, cookie: str, door: asyncio.Semaphore) -> None:
        address = url.replace("http", "ws", 1).rstrip("/") + "/ws/sessions/"
        headers = {"Cookie": cookie}
        async with door:
            socket = await connect(
                address, origin=Origin(url.rstrip("/")), additional_headers=headers, max_size=None
            )
        async with socket:
            rows = dict.fromkeys(self._shown, 0)
            await socket.send(json.dumps({"type": "hello", "page": "list", "seq": 1, "rows": rows}))
            acked, unacked, last = 0, 0, time.monotonic()
            async for text in socket:
                frame = json.loads(text)
                self._hear(frame, time.time() * 1000)
                unacked += len(text)
                waited = time.monotonic() - last
                if frame["n"] - acked >= ACK_EVERY or unacked >= ACK_BYTES or waited >= ACK_AFTER:
                    acked, unacked, last = frame["n"], 0, time.monotonic()
                    await socket.send(json.dumps({"type": "ack", "n": acked}))

    def _hear(self, frame: dict[str, Any], now: float) -> None:
        first = "hello" in frame  # what it brings is as old as it is
        self._said.note("frame, age", (now - frame["now"]) / 1000)
        for session_id, row in frame.get("rows", {}).items():
            progress = PROGRESS.search(row["html"] or "")
            if self._is_newer(session_id, row["version"]) and progress and not first:
                self._said.note("change on a page", (now - int(progress[1])) / 1000)
        for session_id, touch in frame.get("touched", {}).items():
            if self._is_newer(session_id, touch["version"]) and touch["progress"] and not first:
                self._said.note("change on a page", (now - touch["progress"]) / 1000)
        for session_id, ms in frame.get("beats", {}).items():
            if ms > self._beats.get(session_id, 0):
                self._beats[session_id] = ms
                if not first:
                    self._said.note("heartbeat on a page", (now - ms) / 1000)

    def _is_newer(self, session_id: str, version: int) -> bool:
        is_newer = version > self._versions.get(session_id, 0)
        if is_newer:
            self._versions[session_id] = version
        return is_newer


async def kept_open(page: Page, url: str, cookie: str, door: asyncio.Semaphore, said: Said) -> None:
    try:
        await page.open(url, cookie, door)
        lost = "page closed by the server"
    except (OSError, TimeoutError, ConnectionClosed):
        lost = "page lost"
    said.note(lost, 0)


async def main(url: str, cookie: str, pages: int) -> None:
    ids, said = json.loads(sys.stdin.readline()), Said()
    door = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        group.create_task(said.for_ever())
        for n in range(pages):
            shown = [ids[(n * ROWS + i) % len(ids)] for i in range(min(ROWS, len(ids)))]
            group.create_task(kept_open(Page(shown, said), url, cookie, door, said))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

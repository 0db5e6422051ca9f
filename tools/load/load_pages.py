"""`python -m tools.load.load_pages URL COOKIE PAGES`: open lists of the sessions whose ids stdin gives."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.support.page import Credit, Versions, hello, open_socket
from tools.load.figures import PrintedFigures

ROWS = 50
AT_ONCE = 50
PROGRESS = re.compile(r'data-progress="(\d+)"')


class LoadPage:
    """An open list that acknowledges as a browser does."""

    def __init__(self, shown: list[str], said: PrintedFigures) -> None:
        self._said = said
        self._versions = Versions(dict.fromkeys(shown, 0))
        self._seq = 0
        self._answered = False
        self._beats: dict[str, int] = {}

    async def open(self, url: str, cookie: str, door: asyncio.Semaphore) -> None:
        async with door:
            socket = await open_socket(url, cookie)
        async with socket:
            credit = Credit()
            await self._ask(socket)
            async for text in socket:
                frame = json.loads(text)
                if not self._hear(frame, time.time() * 1000) and self._answered:
                    await self._ask(socket)
                if credit.is_due(frame["n"], len(text)):
                    await socket.send(json.dumps({"type": "ack", "n": frame["n"]}))

    async def _ask(self, socket: ClientConnection) -> None:
        self._seq, self._answered = self._seq + 1, False
        await socket.send(json.dumps(hello(self._seq, self._versions)))

    def _hear(self, frame: dict[str, Any], now: float) -> bool:
        """Handles a frame; returns whether nothing is missing."""
        self._answered = self._answered or frame.get("hello") == self._seq
        first, complete = "hello" in frame, True  # the rows of the first frame may be of any age
        self._said.note("frame, age", (now - frame["now"]) / 1000)
        for session_id, row in frame.get("rows", {}).items():
            progress = PROGRESS.search(row["html"] or "")
            if self._versions.takes(session_id, row) and progress and not first:
                self._said.note("change on a page", (now - int(progress[1])) / 1000)
        for session_id, touch in frame.get("touched", {}).items():
            taken = self._versions.takes_touch(session_id, touch)
            complete = complete and taken is not None
            if taken and touch["progress"] and not first:
                self._said.note("change on a page", (now - touch["progress"]) / 1000)
        for session_id, ms in frame.get("beats", {}).items():
            if ms > self._beats.get(session_id, 0):
                self._beats[session_id] = ms
                if not first:
                    self._said.note("heartbeat on a page", (now - ms) / 1000)
        return complete


async def kept_open(
    page: LoadPage, url: str, cookie: str, door: asyncio.Semaphore, said: PrintedFigures
) -> None:
    try:
        await page.open(url, cookie, door)
        lost = "page closed by the server"
    except (OSError, TimeoutError, ConnectionClosed):
        lost = "page lost"
    said.note(lost, 0)


async def main(url: str, cookie: str, pages: int) -> None:
    ids, said = json.loads(sys.stdin.readline()), PrintedFigures()
    door = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        group.create_task(said.for_ever())
        for n in range(pages):
            shown = [ids[(n * ROWS + i) % len(ids)] for i in range(min(ROWS, len(ids)))]
            group.create_task(kept_open(LoadPage(shown, said), url, cookie, door, said))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

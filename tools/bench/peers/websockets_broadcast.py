"""The websockets library alone, which sends one text to all pages.

`python -m tools.bench.peers.websockets_broadcast PORT`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from websockets.asyncio.server import ServerConnection, broadcast, serve

MOST_WAITING = 64 * 1024
SESSION = "00000000-0000-4000-8000-000000000000"


class Sender:
    def __init__(self) -> None:
        self.pages: set[ServerConnection] = set()
        self._sending: asyncio.Task[None] | None = None

    async def page(self, page: ServerConnection) -> None:
        self.pages.add(page)
        await page.send('{"hello":1}')
        try:
            async for text in page:
                if text == "go":
                    self._sending = asyncio.create_task(self._send_for_ever())
                elif self._sending:
                    self._sending.cancel()
        finally:
            self.pages.discard(page)

    async def _send_for_ever(self) -> None:
        n = 0
        while True:
            n += 1
            news = {"id": SESSION, "version": int(time.time() * 1e6), "beat": 0}
            head = {"n": n, "now": int(time.time() * 1000), "feed": {"status": "live"}}
            broadcast(self.pages, json.dumps({**head, "session": news}, separators=(",", ":")))
            await asyncio.sleep(0)
            while self._is_behind():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    def _is_behind(self) -> bool:
        return any(p.transport.get_write_buffer_size() > MOST_WAITING for p in self.pages)


async def main(port: int) -> None:
    async with serve(Sender().page, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

"""`python -m tools.bench.websocket_pages`: many open pages in a process of their own, which count what reaches them.

On bare asyncio a frame costs a page 42 µs of processor time; with the parts of tests.support.page on the websockets
package 67 µs, as its Page 76 µs (200 pages, 60,000 frames of 600 bytes). With those, a row of a thousand pages would
measure the pages, not the server. When to acknowledge is decided by tests.support.page here, too. Commands are lines
of JSON; each is answered with one line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

from tests.support.page import Credit

AT_ONCE = 50
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
News = list[tuple[str, int]]
NEWS = (b',"rows":', b',"touched":', b',"session":')  # in the order of a frame


# One for all: a Protocol's own reads get 256 KiB each, which cost more than everything else that a page does.
RECEIVED = memoryview(bytearray(2**16))


class BarePage(asyncio.BufferedProtocol):
    def __init__(self, handshake: bytes, hello: str) -> None:
        self._handshake, self._hello = handshake, hello
        self._buffer = b""
        self._open = False
        self.transport: asyncio.Transport
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.versions: dict[str, int] = dict(json.loads(hello).get("rows", {})) if hello else {}
        self.seen: list[tuple[str, int, int, float]] = []
        self.frames = self.received = self.unacked = 0
        self._credit = Credit()
        self.stalled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed before it was greeted"))

    def get_buffer(self, sizehint: int) -> memoryview:
        return RECEIVED

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(RECEIVED[:nbytes])
        buffer = self._buffer + data if self._buffer else data
        if not self._open:
            head, found, rest = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = buffer
                return
            if b" 101 " not in head:
                raise ConnectionError(head.decode("latin1"))
            self._open, buffer = True, rest
            if self._hello:
                self.say(self._hello)
        self._buffer = self._frames(buffer)
        if self.unacked and not self.stalled and self._hello:
            self._acknowledge()

    def _frames(self, buffer: bytes) -> bytes:
        """Reads what is complete; returns the rest. Servers mask nothing and split nothing."""
        at, end = 0, len(buffer)
        while end - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                if end < start:
                    break
                size = int.from_bytes(buffer[at + 2 : start], "big")
            if end < start + size:
                break
            self._frame(buffer[at] & 15, buffer[start : start + size])
            at = start + size
        return buffer[at:]

    def _frame(self, kind: int, payload: bytes) -> None:
        if kind == PING:
            self._write(PONG, payload)
        if kind != TEXT:
            return
        self.frames += 1
        self.received += 1
        self.unacked += len(payload)
        if not self.ready.done() and b'"hello":' in payload:
            self.ready.set_result(None)
        now = time.time()
        for session_id, version in news_of(payload):
            before = self.versions.get(session_id, 0)
            if version > before:
                self.versions[session_id] = version
                self.seen.append((session_id, before, version, now))

    def _acknowledge(self) -> None:
        size, self.unacked = self.unacked, 0
        if self._credit.is_due(self.received, size):
            self.say(json.dumps({"type": "ack", "n": self.received}))

    def say(self, text: str) -> None:
        self._write(TEXT, text.encode())

    def _write(self, kind: int, payload: bytes) -> None:
        """Masked with zeros, which is a mask."""
        size = len(payload)
        length = bytes([128 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        if size >= 2**16:
            length = b"\xff" + size.to_bytes(8, "big")
        self.transport.write(bytes([128 | kind]) + length + b"\0\0\0\0" + payload)

    def stall(self) -> None:
        self.stalled = True
        self.transport.pause_reading()


def news_of(payload: bytes) -> News:
    """Which versions a frame brings; a thousand pages get the same news behind different heads."""
    starts = (payload.find(word) for word in NEWS)
    start = next((at for at in starts if at >= 0), None)
    return [] if start is None else _read(payload[start + 1 :])


@lru_cache(maxsize=256)
def _read(news: bytes) -> News:
    found = json.loads(b"{" + news)
    told = [*found.get("rows", {}).items(), *found.get("touched", {}).items()]
    rows = [(session_id, row["version"]) for session_id, row in told]
    if "version" in found.get("session", {}):
        rows.append((found["session"]["id"], found["session"]["version"]))
    return rows


class BarePages:
    def __init__(self) -> None:
        self._pages: list[BarePage] = []

    async def open(self, *, url: str, cookie: str, hellos: list[str], count: int) -> dict[str, Any]:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
        handshake = HANDSHAKE.format(path=parts.path, host=parts.netloc, cookie=cookie).encode()
        loop = asyncio.get_running_loop()
        for start in range(0, count, AT_ONCE):
            made = [
                loop.create_connection(
                    partial(BarePage, handshake, hellos[n % len(hellos)]), host, port
                )
                for n in range(start, min(count, start + AT_ONCE))
            ]
            pages = [page for _, page in await asyncio.gather(*made)]
            await asyncio.wait_for(asyncio.gather(*(page.ready for page in pages)), 60)
            self._pages += pages
        return {"open": len(self._pages)}

    async def say(self, *, text: str) -> dict[str, Any]:
        self._pages[0].say(text)
        return {}

    async def stall(self, *, count: int) -> dict[str, Any]:
        for page in self._pages[:count]:
            page.stall()
        return {}

    async def count(self, *, seconds: float) -> dict[str, Any]:
        for page in self._pages:
            page.frames = 0
        begun = time.perf_counter()
        await asyncio.sleep(seconds)
        frames = sum(page.frames for page in self._pages)
        return {"frames": frames, "seconds": time.perf_counter() - begun}

    async def watch(self) -> dict[str, Any]:
        for page in self._pages:
            page.seen.clear()
        return {}

    async def seen(self, *, committed: dict[str, dict[str, float]]) -> dict[str, Any]:
        """How many changes became known to pages, and how old the oldest in each frame was by then."""
        delivered, lags = 0, []
        for page in self._pages:
            for session_id, before, version, at in page.seen:
                times = committed.get(session_id, {})
                if (oldest := times.get(str(before + 1))) is not None and str(version) in times:
                    delivered += version - before
                    lags.append(at - oldest)
        lags.sort()
        return {"delivered": delivered, "p50": quantile(lags, 0.5), "p99": quantile(lags, 0.99)}

    async def differ(self, *, versions: dict[str, int]) -> dict[str, Any]:
        """How many of the pages that read show anything but these versions."""
        pages = [page for page in self._pages if not page.stalled]
        return {"pages": sum(page.versions != versions for page in pages)}


def quantile(lags: list[float], share: float) -> float:
    return lags[min(len(lags) - 1, int(len(lags) * share))] if lags else float("inf")


async def main() -> None:
    pages, reader = BarePages(), asyncio.StreamReader(limit=2**26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        found = await getattr(pages, command.pop("do"))(**command)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

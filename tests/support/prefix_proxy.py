"""A proxy that gives the dashboard one path of a host, as nginx does, for HTTP and WebSocket."""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import suppress
from urllib.parse import urlsplit

REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) (HTTP/1\.[01])\r\n")
NOT_OURS = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class PrefixProxy:
    """Forwards what is below the prefix, with the prefix or without it, and refuses and notes everything else."""

    def __init__(self, target: str, prefix: str, *, strips: bool) -> None:
        self._target, self.prefix, self._strips = urlsplit(target), prefix, strips
        self.outside: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        serving = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        self.host = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.url = f"{self.host}{prefix}"

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection: the head is rewritten, everything after it is passed on as it is."""
        with suppress(OSError, asyncio.IncompleteReadError):
            head = self._rewritten(await reader.readuntil(b"\r\n\r\n"))
            if head is None:
                writer.write(NOT_OURS)
                await writer.drain()
            else:
                await self._forward(head, reader, writer)
        writer.close()

    def _rewritten(self, head: bytes) -> bytes | None:
        line = REQUEST_LINE.match(head)
        if line is None:
            return None
        method, path, version = line.groups()
        prefix = self.prefix.encode()
        if not path.startswith(prefix + b"/"):
            self.outside.append(path.decode("latin-1"))
            return None
        passed = path.removeprefix(prefix) if self._strips else path
        rest = head[line.end() :]
        if b"\r\nupgrade: websocket" not in b"\r\n" + rest.lower():
            rest = b"Connection: close\r\n" + re.sub(rb"(?im)^connection:.*\r\n", b"", rest)
        return b"%s %s %s\r\n%s" % (method, passed, version, rest)

    async def _forward(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there = await asyncio.open_connection(self._target.hostname, self._target.port)
        there[1].write(head)
        try:
            async with asyncio.TaskGroup() as group:
                up = group.create_task(_pass_on(reader, there[1]))
                await _pass_on(there[0], writer)
                up.cancel()
        finally:
            there[1].close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

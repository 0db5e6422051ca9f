"""A way to PostgreSQL that loses one answer: what was sent is done, and nobody is told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import parse_qs, unquote, urlsplit

READY = b"Z\x00\x00\x00\x05I"  # ReadyForQuery, outside of a transaction: it is committed


class LossyWay:
    """`lose(marker)`: the next answer to a message that contains `marker` is swallowed and the connection cut."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._socket = f"{unquote(parts.hostname or parts.netloc.rpartition('@')[2])}/.s.PGSQL.5432"
        if "host" in parse_qs(parts.query):
            self._socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._user, self._database = parts.username, parts.path
        self._marker: bytes | None = None
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.lost = asyncio.Event()

    async def __aenter__(self) -> LossyWay:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._cut()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def url(self) -> str:
        host, port = self._server.sockets[0].getsockname()
        return f"postgresql://{self._user}@{host}:{port}{self._database}?sslmode=disable&gssencmode=disable"

    def lose(self, marker: bytes) -> None:
        self._marker = marker
        self.lost.clear()

    def stay_closed(self, closed: bool) -> None:
        """From the lost answer on nothing gets through."""
        self._closed = closed

    def _cut(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        if self._closed and self.lost.is_set():
            writer.close()
            return
        there_reader, there = await asyncio.open_unix_connection(self._socket)
        self._writers.add(there)
        losing = asyncio.Event()

        async def forth() -> None:
            while data := await reader.read(65536):
                if self._marker is not None and self._marker in data:
                    self._marker = None
                    losing.set()
                there.write(data)
                await there.drain()
            there.close()

        async def back() -> None:
            while data := await there_reader.read(65536):
                if losing.is_set():
                    if READY in data:
                        self.lost.set()
                        self._cut() if self._closed else writer.close()
                        there.close()
                        return
                    continue
                writer.write(data)
                await writer.drain()
            writer.close()

        with suppress(ConnectionError):
            await asyncio.gather(forth(), back(), return_exceptions=True)

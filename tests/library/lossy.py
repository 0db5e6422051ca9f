"""A proxy before PostgreSQL that loses one answer, or delays one message until its sender is disconnected."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from urllib.parse import parse_qs, unquote, urlsplit

READY = b"Z\x00\x00\x00\x05I"  # ReadyForQuery outside of a transaction: all is committed


class LossyWay:
    """`lose(marker)` forwards the next message that contains `marker`, drops its answer, and disconnects.

    `delay(marker)` holds such a message, disconnects its sender, and `deliver()` sends it to
    PostgreSQL.
    """

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._socket = f"{unquote(parts.hostname or parts.netloc.rpartition('@')[2])}/.s.PGSQL.5432"
        if "host" in parse_qs(parts.query):
            self._socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._log_in, self._database = f"{parts.username}:{parts.password}", parts.path
        self._marker: bytes | None = None
        self._delays = False
        self._late: Callable[[], Awaitable[None]] | None = None
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
        return f"postgresql://{self._log_in}@{host}:{port}{self._database}?sslmode=disable&gssencmode=disable"

    def lose(self, marker: bytes) -> None:
        self._marker = marker
        self._delays = False
        self.lost.clear()

    def delay(self, marker: bytes) -> None:
        self.lose(marker)
        self._delays = True

    async def deliver(self) -> None:
        """Delivers the delayed message; returns when PostgreSQL has answered it."""
        assert self._late is not None
        await self._late()
        self._late = None

    def stay_closed(self, closed: bool) -> None:
        """Whether all connections are refused once an answer is lost."""
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
                    if self._delays:
                        self._writers.discard(there)
                        answers.cancel()
                        self._late = partial(_send_late, there_reader, there, data)
                        self.lost.set()
                        self._cut() if self._closed else writer.close()
                        return
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

        answers = asyncio.create_task(back())
        with suppress(ConnectionError):
            await asyncio.gather(forth(), answers, return_exceptions=True)


async def _send_late(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes
) -> None:
    writer.write(data)
    answer = b""
    while b"Z\x00\x00\x00\x05" not in answer:
        received = await reader.read(65536)
        assert received, "PostgreSQL closed the connection"
        answer += received
    writer.close()
    await writer.wait_closed()

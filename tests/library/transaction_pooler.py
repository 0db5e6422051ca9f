"""A pooler in transaction mode, like pgbouncer: each transaction of a client may use another server connection."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from contextlib import suppress

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ConnStatus, PGconn, abc

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
INVENTED_PROCESS_ID = 424242


class TransactionPooler:
    """`url` leads through the pooler, which assigns `backends` server connections in turn."""

    def __init__(self, database_url: str, backends: int = 3) -> None:
        self._database_url = database_url
        self._address = conninfo_to_dict(database_url)
        self._logged_in: list[abc.PGconn] = []
        self._count = backends
        self._free: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._freed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> TransactionPooler:
        for _ in range(self._count):
            self._free.append(await self._open_backend())
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()

    @property
    def url(self) -> str:
        host, port = self._server.sockets[0].getsockname()
        return (
            f"postgresql://{self._address['user']}@{host}:{port}/{self._address['dbname']}"
            "?sslmode=disable&gssencmode=disable"
        )

    async def _open_backend(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Logs in with libpq; later messages on its socket are relayed."""
        logged_in = await asyncio.to_thread(PGconn.connect, self._database_url.encode())
        assert logged_in.status == ConnStatus.OK, logged_in.get_error_message()
        self._logged_in.append(logged_in)  # garbage collection would close the connection
        sock = socket.socket(fileno=os.dup(logged_in.socket))
        reader, writer = await asyncio.open_unix_connection(sock=sock)
        self._writers.append(writer)
        return reader, writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await _greet(reader, writer)
            while True:
                await self._one_transaction(reader, writer)

    async def _one_transaction(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        first = await _message(reader)
        if first[0] == b"X":
            raise ConnectionError
        async with self._freed:
            await self._freed.wait_for(lambda: bool(self._free))
            backend = self._free.popleft()
        try:
            await _relay(first, reader, writer, *backend)
        finally:
            async with self._freed:
                self._free.append(backend)
                self._freed.notify()


async def _relay(
    first: tuple[bytes, bytes],
    client: asyncio.StreamReader,
    to_client: asyncio.StreamWriter,
    server: asyncio.StreamReader,
    to_server: asyncio.StreamWriter,
) -> None:
    """Relays until the server is ready outside of a transaction and has answered everything."""
    message, state = first, b"T"
    while state != b"I":
        kind, raw = message
        to_server.write(raw)
        while kind not in b"QS":
            kind, raw = await _message(client)
            to_server.write(raw)
        kind = b""
        while kind != b"Z":
            kind, raw = await _message(server)
            to_client.write(raw)
        state = raw[-1:]
        if state != b"I":
            message = await _message(client)


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        (code,) = struct.unpack("!i", (await reader.readexactly(length - 4))[:4])
        if code not in (SSL_REQUEST, GSS_REQUEST):
            break
        writer.write(b"N")
    settings = {"server_version": "18.0", "client_encoding": "UTF8", "TimeZone": "UTC"}
    answer = [b"R" + struct.pack("!ii", 8, 0)]
    for name, value in settings.items():
        pair = name.encode() + b"\0" + value.encode() + b"\0"
        answer.append(b"S" + struct.pack("!i", len(pair) + 4) + pair)
    answer.append(b"K" + struct.pack("!iii", 12, INVENTED_PROCESS_ID, 1))
    answer.append(b"Z" + struct.pack("!i", 5) + b"I")
    writer.write(b"".join(answer))


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The message's type, and the whole message."""
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!i", head[1:])
    return head[:1], head + await reader.readexactly(length - 4)


async def is_mixing(pooler: TransactionPooler) -> bool:
    """Whether one client used several server connections, which the tests need."""
    async with await psycopg.AsyncConnection.connect(
        pooler.url, autocommit=True, prepare_threshold=None
    ) as connection:
        met = {await _pid(connection) for _ in range(10)}
    return len(met) > 1


async def _pid(connection: psycopg.AsyncConnection) -> int:
    row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    assert row is not None
    return int(row[0])

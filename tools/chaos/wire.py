"""A proxy before PostgreSQL that can switch servers, lose answers, delay commits and drop notifications."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from tests.support.dashboard import free_port

WRITES = (b"UPDATE agent_sessions s SET", b"INSERT INTO agent_sessions (")


class Wire:
    """Runs in a thread of its own.

    `cut_every` loses the answer of every n-th commit. `hold_every` disconnects the sender of every
    n-th commit, and delivers it `hold_seconds` later. `keeps_notifications` drops all notifications.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.port = free_port()
        self.cut_every = 0
        self.cuts = 0
        self.hold_every = 0
        self.hold_seconds = 3.0
        self.held = 0
        self.keeps_notifications = False
        self.kept_notifications = 0
        self._commits = 0
        self._lines: set[WireConnection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)

    async def _serve(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    def switch(self, target: Path) -> None:
        """Connects new clients to another server; disconnects the current ones."""
        self.target = target
        self._loop.call_soon_threadsafe(self._cut_all)

    def _cut_all(self) -> None:
        for line in list(self._lines):
            line.cut()

    async def _connected(
        self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        try:
            server, to_server = await asyncio.open_unix_connection(str(self.target))
        except OSError:
            to_client.transport.abort()
            return
        line = WireConnection(self, to_client, to_server)
        self._lines.add(line)
        try:
            await asyncio.gather(line.ask(client), line.answer(server))
        finally:
            self._lines.discard(line)
            line.cut()

    def fate(self) -> str:
        """What happens to this commit, counted here: "", "lost" or "held"."""
        self._commits += 1
        if self.cut_every and self._commits % self.cut_every == 0:
            return "lost"
        return "held" if self.hold_every and self._commits % self.hold_every == 0 else ""


class WireConnection:
    """One connection, read message by message in both directions."""

    def __init__(
        self, wire: Wire, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        self._wire, self._client, self._server = wire, client, server
        self._writers: set[bytes] = set()
        self._in_transaction = False
        self._swallows = self._is_late = False
        self._answered = asyncio.Event()

    def cut(self) -> None:
        self._client.transport.abort()
        self._server.transport.abort()

    async def ask(self, client: asyncio.StreamReader) -> None:
        try:
            head = await client.readexactly(4)
            self._server.write(head + await client.readexactly(int.from_bytes(head) - 4))
            while message := await _message(client):
                fate = self._wire.fate() if self._commits(*message) else ""
                if fate == "held":
                    await self._deliver_late(message, client)
                    break
                self._swallows |= fate == "lost"
                self._server.write(_bytes(*message))
                await self._server.drain()
        except (OSError, EOFError):
            pass
        self.cut()

    async def _deliver_late(
        self, message: tuple[bytes, bytes], client: asyncio.StreamReader
    ) -> None:
        """Disconnects the sender, and delivers the whole statement with its Sync later."""
        held = [message]
        while held[-1][0] not in (b"Q", b"S"):
            if (more := await _message(client)) is None:
                return
            held.append(more)
        self._swallows = self._is_late = True
        self._client.transport.abort()
        await asyncio.sleep(self._wire.hold_seconds)
        for one in held:
            self._server.write(_bytes(*one))
        await self._server.drain()
        await self._answered.wait()

    async def answer(self, server: asyncio.StreamReader) -> None:
        """Forwards answers; of a lost or held commit none, and cuts at ReadyForQuery, which follows the commit."""
        try:
            while message := await _message(server):
                if message[0] == b"A" and self._wire.keeps_notifications:
                    self._wire.kept_notifications += 1
                elif not self._swallows:
                    self._client.write(_bytes(*message))
                    await self._client.drain()
                elif message[0] == b"Z":
                    self._wire.cuts += not self._is_late
                    self._wire.held += self._is_late
                    break
        except (OSError, EOFError):
            pass
        self._answered.set()
        self.cut()

    def _commits(self, kind: bytes, body: bytes) -> bool:
        """Whether it commits: a COMMIT, or a prepared write, known by its name, outside of a transaction."""
        if kind == b"P":
            name, _, rest = body.partition(b"\0")
            (self._writers.add if _is_write(rest) else self._writers.discard)(name)
            return rest.startswith(b"COMMIT")
        if kind == b"B":
            return body.split(b"\0", 2)[1] in self._writers and not self._in_transaction
        if kind == b"Q":
            self._in_transaction = body.startswith(b"BEGIN")
            return body.startswith(b"COMMIT")
        return False


def _is_write(statement: bytes) -> bool:
    return any(words in statement for words in WRITES)


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes] | None:
    kind = await reader.read(1)
    if not kind:
        return None
    length = int.from_bytes(await reader.readexactly(4))
    return kind, await reader.readexactly(length - 4)


def _bytes(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body

"""A proxy between one process and one server that can cut connections and delay messages."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

DELAYED = 0.2  # share of the messages that are held back while `longest_delay` is set
CHUNK = 65536


class Proxy:
    """Listens on a free port. Messages sent before a cut still reach the server, however late."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.port = 0
        self.is_cut = False
        self.longest_delay = 0.0  # seconds
        self.random = Random(0)  # noqa: S311
        self.held_back = asyncio.Event()  # set once a message was delayed
        self._released = asyncio.Event()
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        self.cut()
        self._released.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Disconnects clients and refuses new ones until `mend`."""
        self.is_cut = True
        for client in self._clients:
            client.transport.abort()

    def mend(self) -> None:
        """Accepts connections again and releases delayed messages."""
        self.is_cut = False
        self.longest_delay = 0.0
        self._released.set()

    async def _connected(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self.is_cut:
            to_client.transport.abort()
            return
        self._clients.add(to_client)
        try:
            from_server, to_server = await asyncio.open_unix_connection(str(self.target))
            await asyncio.gather(
                self._forward(from_client, to_server, delayed=True),
                self._forward(from_server, to_client, delayed=False),
            )
        except OSError:
            pass
        finally:
            self._clients.discard(to_client)
            to_client.transport.abort()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, delayed: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if delayed and self.longest_delay and self.random.random() < DELAYED:
                    self.held_back.set()
                    await self._hold(self.random.random() * self.longest_delay)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _hold(self, seconds: float) -> None:
        self._released.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._released.wait(), seconds)

"""A Valkey of one test, which can be stopped, started and emptied."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from dashboard.embedded import process, valkey
from tests.support.waiting import HANGS


class OwnValkey:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vk-"))
        self._socket = self.folder / "s"
        self._child: process.Child | None = None
        self.url = f"unix://{self._socket}"
        self.as_user = self.url  # a server with users needs one here that may do everything

    async def start(self, **more: str) -> None:
        """`more` are additional server options."""
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "save": "",
            "dir": str(self.folder),
            **more,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._child = process.start("Valkey", [valkey.installed(), *words], log=self.folder / "log")
        async with redis.asyncio.Redis.from_url(self.as_user) as client:
            await asyncio.wait_for(_answers(client, self._child.process), HANGS)

    def url_of(self, user: str, password: str) -> str:
        return f"unix://{user}:{password}@{self._socket}"

    def freeze(self) -> None:
        """Makes the server accept commands without answering."""
        if self._child is not None:
            self._child.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        if self._child is not None:
            self._child.process.kill()
            self._child.stop()
            self._socket.unlink(missing_ok=True)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


async def _answers(client: Any, server: subprocess.Popen[bytes]) -> None:
    while True:
        assert server.poll() is None, "the server ended; its log says why"
        try:
            await client.ping()
            return
        except (RedisError, OSError):
            await asyncio.sleep(0.02)

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from agent_sessions.conversation import ConversationConfig, ConversationManager
from dashboard.embedded import valkey


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


Make = Callable[..., ConversationManager]


@pytest.fixture
async def make(clock: Clock) -> AsyncIterator[Make]:
    """Creates managers as in several processes; stops them at the end."""
    async with contextlib.AsyncExitStack() as stack:

        def make(url: str | None = None, **settings: object) -> ConversationManager:
            config = ConversationConfig(valkey_url=url, **settings)  # type: ignore[arg-type]
            manager = ConversationManager(config, clock=clock)
            stack.push_async_callback(manager.stop)
            return manager

        yield make


@pytest.fixture(params=["memory", "valkey"])
def conversations(request: pytest.FixtureRequest, make: Make) -> ConversationManager:
    """A manager with Valkey, and one without."""
    url = request.getfixturevalue("valkey_url") if request.param == "valkey" else None
    return make(url)


@pytest.fixture
def stored(valkey_url: str) -> Iterator[redis.Redis]:
    """The database with the conversations, as another program sees it."""
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        client.connection_pool.connection_kwargs["db"] = 1
        yield client


@dataclass
class FragileValkey:
    """A Valkey that can be stopped and restarted on the same port; it loses its data unless saved."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, db=1, decode_responses=True)

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [valkey.installed(), *options, "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    assert self._process.poll() is None, "the server did not start"

    def stop(self) -> None:
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[FragileValkey]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = FragileValkey(tmp_path, port)
    yield server
    server.stop()


@pytest.fixture
def conversations_in_valkey(make: Make, valkey_url: str) -> ConversationManager:
    return make(valkey_url)

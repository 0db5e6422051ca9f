"""A hub without its loops: tests call what the loops would call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sessions_app.feed.hub import Hub
from sessions_app.feed.wiring import listen_parameters

NAMESPACE = "breakpilot"


class Clock:
    """Time that passes only when a test lets it."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_800_000_000.0, 1000.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


async def until(condition: Callable[[], object], step: Callable[[], Awaitable[object]]) -> None:
    """Takes steps until it holds. Waits for real events, not for an amount of time."""
    async with asyncio.timeout(15):
        while not condition():
            await step()
            await asyncio.sleep(0.005)


@pytest.fixture
async def hub(transactional_db: None, database_url: str, valkey_url: str) -> AsyncIterator[Hub]:
    hub = Hub(listen_parameters, valkey_url, NAMESPACE)
    hub.listen()
    await until(lambda: hub.status.current().status == "live" and hub.beats.live, hub.tick)
    yield hub
    await hub.stop()

"""A hub without its loops: tests call what the loops would call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from sessions_app.live.factory import listen_parameters
from sessions_app.live.hub import Hub
from tests.support.dashboard import LiveDashboard, session_cookie
from tests.support.waiting import HANGS

from . import writers

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NAMESPACE = "breakpilot"


class Clock:
    """A clock that only the test advances."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_800_000_000.0, 1000.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def until(
    condition: Callable[[], object], step: Callable[[], Awaitable[object]] | None = None
) -> None:
    """Takes steps until the condition holds. Waits for events, not for a time."""
    async with asyncio.timeout(HANGS):
        while not condition():
            if step is not None:
                await step()
            await asyncio.sleep(0.005)


@pytest.fixture
async def start_hub(
    transactional_db: None, database_url: str, valkey_url: str
) -> AsyncIterator[Callable[..., Awaitable[Hub]]]:
    started: list[Hub] = []

    async def start(**parts: Any) -> Hub:
        hub = Hub(listen_parameters, valkey_url, NAMESPACE, **parts)
        started.append(hub)
        hub.listen()
        await until(lambda: hub.status.current().status == "live" and hub.beats.live, hub.tick)
        return hub

    yield start
    for hub in started:
        await hub.stop()


@pytest.fixture
async def hub(start_hub: Callable[..., Awaitable[Hub]]) -> Hub:
    return await start_hub()


@pytest.fixture
async def clocked(start_hub: Callable[..., Awaitable[Hub]], clock: Clock) -> Hub:
    """A hub that uses the test's clock, which stands still until the test advances it."""
    return await start_hub(clock=lambda: clock.wall, monotonic=lambda: clock.steady)


async def heard(hub: Hub, session_id: str, version: int) -> None:
    """Waits until the notification has arrived; the test calls the tick."""
    await until(lambda: hub.buffer.knows(session_id) >= version)


@pytest.fixture
async def hub_without_ears() -> AsyncIterator[Hub]:
    """A hub without sources, for tests without storage."""
    hub = Hub(dict, "redis://127.0.0.1:1", NAMESPACE)
    yield hub
    await hub.stop()


def time_passes(hub: Hub, clock: Clock, seconds: float) -> None:
    """Advances the clock while notifications keep arriving."""
    clock.passes(seconds)
    hub.listener.proven_at = clock.steady


async def created(hub: Hub, database_url: str, n: int = 1) -> list[str]:
    """Creates sessions, and ticks until the hub has processed their creation."""
    ids = writers.create(database_url, n)
    for session_id in ids:
        await heard(hub, session_id, 1)
    await hub.tick()
    return ids


@pytest.fixture
def cookie(live_dashboard: LiveDashboard, viewer: User) -> dict[str, Any]:
    return session_cookie(live_dashboard.url, viewer)

"""A cancelled task ends, at whichever await, although the Redis client swallows cancellations while it connects."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from agent_sessions import tasks
from agent_sessions.conversation import ConversationConfig, ConversationManager
from dashboard.environment import BASE_DIR
from sessions_app.live.hub import Hub
from sessions_app.live.sources.valkey import ValkeySource
from tests.support.waiting import HANGS

End = Callable[[int], Awaitable[None]]
# Calls of a bare `cancel()`: `cancel_and_wait` itself, a page's writer, which checks `closed`, and an
# interruption, which cancels the agent's own block and cannot await it.
BARE = {
    "agent_sessions/interruption.py": 1,
    "agent_sessions/tasks.py": 1,
    "sessions_app/live/sockets/connection.py": 1,
}


async def steps(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def subscribes_for_ever(url: str) -> None:
    while True:
        async with Redis.from_url(url, socket_timeout=3.0, socket_connect_timeout=3.0) as client:
            async with client.pubsub() as pubsub:
                await pubsub.subscribe("x")


async def test_a_task_ends_wherever_it_is_told_to(valkey_url: str) -> None:
    swallowed = 0
    for n in range(0, 40, 2):
        task = asyncio.create_task(subscribes_for_ever(valkey_url))
        await steps(n)
        task.cancel()
        swallowed += not (await asyncio.wait([task], timeout=0.02))[0]
        async with asyncio.timeout(HANGS):
            await tasks.cancel_and_wait(task)
        assert task.cancelled()
    assert swallowed, "the client swallows no cancellation any more: `end` may be simpler"


async def test_several_tasks_end_together(valkey_url: str) -> None:
    running = [asyncio.create_task(subscribes_for_ever(valkey_url)) for _ in range(20)]
    await steps(15)
    async with asyncio.timeout(HANGS):
        await tasks.cancel_and_wait(*running)
    assert all(task.cancelled() for task in running)


@pytest.fixture
def hub(valkey_url: str) -> End:
    async def ends(n: int) -> None:
        hub = Hub(lambda: {"host": "/nowhere"}, valkey_url, "breakpilot")
        hub.start()
        await steps(n)
        await hub.stop()

    return ends


@pytest.fixture
def beats(valkey_url: str) -> End:
    def nothing(*_: object) -> None:
        return None

    async def ends(n: int) -> None:
        ear = ValkeySource(
            valkey_url,
            "n",
            on_message=nothing,
            on_connected=nothing,
            on_lost=nothing,
            monotonic=lambda: 0.0,
        )
        task = asyncio.create_task(ear.run())
        await steps(n)
        await tasks.cancel_and_wait(task)

    return ends


@pytest.fixture
def conversations(valkey_url: str) -> End:
    async def ends(n: int) -> None:
        manager = ConversationManager(
            ConversationConfig(valkey_url=valkey_url, cleanup_interval_seconds=0.001)
        )
        await manager.start()
        await steps(n)
        await manager.stop()

    return ends


@pytest.mark.parametrize("part", ["hub", "beats", "conversations"])
async def test_every_part_ends_at_any_moment(part: str, request: pytest.FixtureRequest) -> None:
    ends: End = request.getfixturevalue(part)
    for n in range(0, 40, 2):
        async with asyncio.timeout(HANGS):
            await ends(n)
        assert asyncio.all_tasks() == {asyncio.current_task()}, n


def test_no_task_is_ended_by_a_bare_cancel() -> None:
    found = {}
    for package in ("agent_sessions", "sessions_app", "dashboard"):
        for path in (BASE_DIR / package).rglob("*.py"):
            if n := _bare_cancels(path):
                found[str(path.relative_to(BASE_DIR))] = n
    assert found == BARE


def _bare_cancels(path: Path) -> int:
    tree = ast.parse(path.read_text("utf-8"))
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return sum(isinstance(call, ast.Attribute) and call.attr == "cancel" for call in calls)

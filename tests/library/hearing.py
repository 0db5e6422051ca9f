"""Waits for a manager's subscriptions, and records announcements."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio

from agent_sessions import AgentSession, SessionManager
from tests.library.conftest import Make
from tests.library.own_valkey import OwnValkey
from tests.support.keys import KEYS
from tests.support.waiting import HANGS

SOON = HANGS


async def live(manager: SessionManager, session_id: str) -> None:
    """Waits until the manager is subscribed to this session."""

    async def heard() -> None:
        while True:
            if await manager._cache.follow(session_id):
                return
            await asyncio.sleep(0.01)

    await asyncio.wait_for(heard(), SOON)


async def until(manager: SessionManager, trusted: bool) -> None:
    async def so() -> None:
        while True:
            if manager._cache.trusted is trusted:
                return
            await asyncio.sleep(0.01)

    await asyncio.wait_for(so(), SOON)


async def served(manager: SessionManager, session_id: str) -> AgentSession:
    session = await manager.get_session(session_id)
    assert session is not None
    return session


@asynccontextmanager
async def words_of(
    client: redis.asyncio.Redis | redis.asyncio.RedisCluster, session_id: str
) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
    """A function that returns the next announcement about the session."""

    async def next_word() -> dict[str, Any]:
        message = await pubsub.get_message(timeout=SOON)
        return dict(json.loads(message["data"]))

    async with client.pubsub() as pubsub:
        await pubsub.subscribe(KEYS.changes(session_id))
        assert (await pubsub.get_message(timeout=SOON))["type"] == "subscribe"
        yield next_word


async def over(another: Make, valkey: OwnValkey, **settings: Any) -> SessionManager:
    return await another(valkey_url=valkey.url, **settings)

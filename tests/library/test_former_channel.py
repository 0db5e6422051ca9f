"""Compatibility with the version before hash tags, which uses another channel."""

from __future__ import annotations

import asyncio
import json

import redis.asyncio

from agent_sessions.valkey_cache import _message
from tests.library.conftest import Make
from tests.library.hearing import SOON, live, words_of
from tests.library.people import OLGA
from tests.support.keys import KEYS


async def test_an_order_is_published_on_both_channels(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    for database in (True, False):
        manager = await another(database=database)
        session = await manager.create_session("grader")
        former = KEYS.former_changes(session.session_id)
        async with (
            words_of(redis_client, session.session_id) as next_word,
            redis_client.pubsub() as pubsub,
        ):
            await pubsub.subscribe(former)
            assert (await pubsub.get_message(timeout=SOON))["type"] == "subscribe"
            await manager.pause(session.session_id, **OLGA)
            message = await pubsub.get_message(timeout=SOON)
            assert await next_word() == json.loads(message["data"])


async def test_an_order_that_the_former_version_announces_is_heard(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    agent, other = await another(), await another(valkey=False)
    session = await agent.create_session("grader")
    await live(agent, session.session_id)
    head = (await other.pause(session.session_id, **OLGA)).head

    async def heard() -> None:
        while True:
            if agent._cache.head(session.session_id) == head:
                return
            await asyncio.sleep(0.01)

    await redis_client.publish(KEYS.former_changes(session.session_id), _message(head))
    await asyncio.wait_for(heard(), SOON)

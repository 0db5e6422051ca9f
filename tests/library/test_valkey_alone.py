"""Valkey as the only store."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from agent_sessions import SessionManager, SessionNotFound
from agent_sessions.models import Head
from tests.library.conftest import Make
from tests.library.hearing import live
from tests.library.people import OLGA
from tests.support.keys import KEYS


async def test_a_session_that_only_beats_is_kept(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    manager = await another(database=False)
    beating = await manager.create_session("grader")
    silent = await manager.create_session("grader")
    keys = [KEYS.copy(s.session_id) for s in (beating, silent)]
    for key in keys:
        await redis_client.expire(key, 60)  # most of its time to live is over
    await manager.heartbeat(beating.session_id)
    lifetimes = [await redis_client.ttl(key) for key in keys]
    assert lifetimes[0] > 23 * 3600
    assert lifetimes[1] <= 60


async def test_a_beat_of_a_session_whose_key_is_gone_says_so(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    manager = await another(database=False)
    gone, there = [await manager.create_session("grader") for _ in range(2)]
    for session in (gone, there):
        await live(manager, session.session_id)  # so that each heartbeat is answered from memory
        await manager.heartbeat(session.session_id)
    await redis_client.delete(KEYS.copy(gone.session_id))
    answers = await asyncio.gather(
        *(manager.heartbeat(s.session_id) for s in (gone, there)), return_exceptions=True
    )
    assert isinstance(answers[0], SessionNotFound)
    assert isinstance(answers[1], Head)
    with pytest.raises(SessionNotFound):
        await manager.heartbeat(gone.session_id)
    assert await redis_client.zscore(KEYS.heartbeats, gone.session_id) is None


async def test_an_order_whose_publication_was_lost_is_in_the_next_beats_answer(
    another: Make, redis_client: redis.asyncio.Redis
) -> None:
    await redis_client.acl_setuser(
        "mute", enabled=True, passwords=["+mute"], keys=["*"], channels=["*"],
        categories=["+@all"], commands=["-publish"],
    )  # fmt: skip
    try:
        client = redis.asyncio.Redis(
            connection_pool=redis.asyncio.ConnectionPool(
                connection_class=redis_client.connection_pool.connection_class,
                **redis_client.connection_pool.connection_kwargs
                | {"username": "mute", "password": "mute"},
            )
        )
        agent = await another(database=False)
        session = await agent.create_session("grader")
        await live(agent, session.session_id)
        assert (await agent.heartbeat(session.session_id)).state == "active"
        async with SessionManager(client) as boss:
            await boss.pause(session.session_id, **OLGA)
        await client.aclose()
        beat = await agent.heartbeat(session.session_id)
        assert (beat.state, beat.order_verb) == ("paused", "pause")
        assert await agent.head(session.session_id) == beat
    finally:
        await redis_client.acl_deluser("mute")

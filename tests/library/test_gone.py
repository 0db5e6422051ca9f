"""A change that was not announced, or a removed record, is detected with the next heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import redis.asyncio

from agent_sessions import Failed, RolledBack, Run, SessionManager, SessionNotFound
from tests.library.conftest import Make
from tests.library.people import OLGA, OTTO, Sql
from tests.support.keys import KEYS
from tests.support.waiting import HANGS

SOON = HANGS
NEVER = 3600.0  # no automatic heartbeats in these tests


@pytest.fixture
async def mute_url(redis_client: redis.asyncio.Redis, valkey_url: str) -> AsyncIterator[str]:
    """The URL of a Valkey user that may do everything except publish."""
    await redis_client.acl_setuser(
        "mute", enabled=True, passwords=["+mute"], keys=["*"], channels=["*"], categories=["+@all"],
        commands=["-publish"],
    )  # fmt: skip
    parts = urlsplit(valkey_url)
    yield parts._replace(netloc=f"mute:mute@{parts.netloc.rpartition('@')[2]}").geturl()
    await redis_client.acl_deluser("mute")


async def until_paused(run: Run, waiting: asyncio.Task[None]) -> None:
    async with asyncio.timeout(SOON):
        while run._seen is None or run._seen.state != "paused" or run._seen.order_open:
            assert not waiting.done(), waiting
            await asyncio.sleep(0.005)


async def test_on_valkey_alone_an_order_that_was_not_published_comes_with_the_beat(
    another: Make, mute_url: str
) -> None:
    agent = await another(database=False)
    boss = await another(database=False, valkey_url=mute_url)
    session = await agent.create_session("grader")
    async with agent.attach(session.session_id, interval=NEVER, complete=False) as run:
        await run.checkpoint("essay_marked")
        await boss.pause(session.session_id, **OLGA)
        await run.safe_point()  # not announced
        await run.tick()
        waiting = asyncio.create_task(run.safe_point())
        await until_paused(run, waiting)
        await boss.resume(session.session_id, **OTTO)
        await run.tick()
        await asyncio.wait_for(waiting, SOON)


@pytest.mark.parametrize("verb", ["rollback", "fail"])
async def test_on_valkey_alone_an_end_that_was_not_published_comes_with_the_beat(
    another: Make, mute_url: str, verb: str
) -> None:
    agent = await another(database=False)
    boss = await another(database=False, valkey_url=mute_url)
    session = await agent.create_session("grader")
    with pytest.raises(RolledBack if verb == "rollback" else Failed):
        async with agent.attach(session.session_id, interval=NEVER, complete=False) as run:
            await run.safe_point()
            await getattr(boss, verb)(
                session.session_id, 1 if verb == "rollback" else "no paper", **OLGA
            )
            await run.tick()
            await run.safe_point()


async def purge(
    agent: SessionManager, sql: Sql, valkey: redis.asyncio.Redis, session_id: str
) -> None:
    await sql.execute("DELETE FROM agent_sessions WHERE id = %s", (session_id,))
    await valkey.delete(KEYS.copy(session_id))


@pytest.mark.parametrize("store", ["valkey", "postgres", "both"])
@pytest.mark.parametrize("paused", [False, True])
async def test_a_session_that_is_gone_is_said_to_be_gone(
    another: Make, sql: Sql, valkey: redis.asyncio.Redis, store: str, paused: bool
) -> None:
    agent = await another(
        database=store != "valkey", valkey=store != "postgres", flush_seconds=NEVER
    )
    session = await agent.create_session("grader")
    with pytest.raises(SessionNotFound):
        async with agent.attach(session.session_id, interval=NEVER) as run:
            await run.checkpoint("essay_marked")
            waiting = None
            if paused:
                await agent.pause(session.session_id, **OLGA)
                waiting = asyncio.create_task(run.safe_point())
                await until_paused(run, waiting)
            await purge(agent, sql, valkey, session.session_id)
            await run.tick()
            await agent.tick()
            with pytest.raises(SessionNotFound):
                await agent.heartbeat(session.session_id)
            await asyncio.wait_for(waiting or run.safe_point(), SOON)

"""Everything that works on one server works on a cluster of three masters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import RedisCluster

from agent_sessions import SessionManager, SessionState
from agent_sessions.conversation import ConversationConfig, ConversationManager
from tests.library.conftest import Make
from tests.library.hearing import live, served, words_of
from tests.library.own_cluster import OwnCluster
from tests.library.people import OLGA, OTTO
from tests.support.keys import KEYS

SOON = 10.0
NEVER = 3600.0


@pytest.fixture(scope="module")
def started() -> Iterator[OwnCluster]:
    cluster = OwnCluster()
    try:
        asyncio.run(cluster.start())
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
async def cluster(started: OwnCluster) -> OwnCluster:
    await started.empty()
    return started


@pytest.fixture
async def client(cluster: OwnCluster) -> AsyncIterator[RedisCluster]:
    async with RedisCluster.from_url(cluster.url) as client:
        yield client


@pytest.fixture(params=["valkey", "both"])
def database(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "both")


async def test_the_address_of_any_node_is_enough(
    another: Make, cluster: OwnCluster, database: bool
) -> None:
    for port in cluster.masters:
        manager = await another(valkey_url=cluster.url_of(port), database=database)
        made = [await manager.create_session("grader", f"u{n}", {"n": n}) for n in range(12)]
        await manager._publisher.settle()
        other = await another(valkey_url=cluster.url, database=database)
        assert [(await served(other, s.session_id)).context["n"] for s in made] == list(range(12))


async def test_a_cluster_client_of_the_callers_own_works(
    client: RedisCluster, database_url: str
) -> None:
    async with SessionManager(client) as manager:
        made = [await manager.create_session("grader") for _ in range(12)]
        found = [s async for s in manager.iterate_active_sessions()]
        assert {s.session_id for s in found} == {s.session_id for s in made}


async def test_copies_and_announcements_of_many_sessions_at_once_arrive(
    another: Make, cluster: OwnCluster, client: RedisCluster
) -> None:
    manager = await another(valkey_url=cluster.url)
    made = await asyncio.gather(*(manager.create_session("grader", f"u{n}") for n in range(40)))
    await manager._publisher.settle()
    for session in made:
        assert await client.exists(KEYS.copy(session.session_id))
    await asyncio.gather(*(manager.pause(s.session_id, **OLGA) for s in made))
    for session in made:
        assert not await client.exists(KEYS.copy(session.session_id))
        version: Any = await client.get(KEYS.version(session.session_id))
        assert version is not None and version.startswith(b"2 ")


async def heard_of(state: str, manager: SessionManager, session_id: str) -> None:
    while True:
        head = manager._cache.head(session_id)
        if head is not None and head.state == state:
            return
        await asyncio.sleep(0.01)


async def obeyed(manager: SessionManager, session_id: str) -> None:
    while True:
        if (await served(manager, session_id)).acknowledged_version:
            return
        await asyncio.sleep(0.01)


async def test_an_order_from_elsewhere_is_heard_without_a_beat(
    another: Make, cluster: OwnCluster, database: bool
) -> None:
    agent = await another(valkey_url=cluster.url, database=database)
    boss = await another(valkey_url=cluster.url_of(cluster.masters[-1]), database=database)
    for _ in range(6):  # in different slots
        session = await agent.create_session("grader")
        async with agent.attach(session.session_id, interval=NEVER, complete=False) as run:
            await run.checkpoint("essay_marked", {"n": 1})
            await live(agent, session.session_id)
            await boss.pause(session.session_id, **OLGA)
            await asyncio.wait_for(heard_of("paused", agent, session.session_id), SOON)
            waiting = asyncio.create_task(run.safe_point())
            await asyncio.wait_for(obeyed(boss, session.session_id), SOON)
            assert not waiting.done()
            await boss.resume(session.session_id, **OTTO)
            await asyncio.wait_for(waiting, SOON)


async def test_what_is_announced_is_published_on_the_tagged_channel(
    another: Make, cluster: OwnCluster, client: RedisCluster
) -> None:
    manager = await another(valkey_url=cluster.url)
    session = await manager.create_session("grader")
    async with words_of(client, session.session_id) as next_word:
        await manager.pause(session.session_id, **OLGA)
        assert (await next_word())["state"] == "paused"


async def test_beats_are_kept_counted_and_keep_from_being_failed(
    another: Make, cluster: OwnCluster, client: RedisCluster, database: bool
) -> None:
    manager = await another(valkey_url=cluster.url, database=database)
    made = [await manager.create_session("grader") for _ in range(9)]
    for session in made:
        await manager.heartbeat(session.session_id)
    await manager.tick()
    assert await client.zcard(KEYS.heartbeats) == 9
    slots = [
        int(k.decode().rpartition(":")[2]) async for k in client.scan_iter("*:beats:count:[0-9]*")
    ]
    assert sum(n or 0 for n in await manager.count_beats(slots) or []) == 9
    assert await manager.cleanup_stale_sessions() == 0


async def test_conversations_are_kept_listed_and_deleted(cluster: OwnCluster) -> None:
    config = ConversationConfig(valkey_url=cluster.url)
    async with ConversationManager(config) as manager, ConversationManager(config) as other:
        for n in range(12):
            await manager.add_turn_to_session(f"c{n}", "And in Enschede?", "Two.")
        assert manager.get_stats()["redis_available"]
        page = await other.list_conversations(20)
        assert page.complete
        assert {item.id for item in page.items} == {f"c{n}" for n in range(12)}
        _, state = await other.get_or_create("c3")
        assert [turn.content for turn in state.turns] == ["And in Enschede?", "Two."]
        assert (await other.stamps(["c3", "no"]))["c3"] != (await other.stamps(["no"]))["no"]
        assert await other.delete("c3")
        assert await manager.get("c3") is None


async def test_while_the_cluster_is_away_postgresql_goes_on(another: Make) -> None:
    cluster = OwnCluster()
    try:
        await cluster.start()
        manager = await another(valkey_url=cluster.url)
        session = await manager.create_session("grader")
        await live(manager, session.session_id)
        for node in cluster.nodes.values():
            node.kill()
        await manager.heartbeat(session.session_id)
        await manager.pause(session.session_id, **OLGA)
        assert (await served(manager, session.session_id)).state is SessionState.PAUSED
    finally:
        cluster.remove()

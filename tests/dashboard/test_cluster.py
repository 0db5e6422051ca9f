"""The dashboard with a cluster of three masters as its Valkey."""

from __future__ import annotations

import asyncio
import json
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.cache import cache
from redis.asyncio import RedisCluster

from agent_sessions import SessionManager
from agent_sessions.conversation import ConversationConfig, ConversationManager
from sessions_app import presence
from sessions_app.live.sources.valkey import BeatList, DeferredClient, ValkeySource
from tests.dashboard.test_valkey_users import (
    ADMINISTRATOR,
    LINES,
    a_conversation,
    an_agents_day,
)
from tests.library.own_cluster import OwnCluster
from tests.support.dashboard import LiveDashboard
from tests.support.keys import CONVERSATION_KEYS, KEYS

SOON = 10.0


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


async def test_beats_and_conversations_that_any_node_takes_are_heard_and_read(
    cluster: OwnCluster,
) -> None:
    heard: asyncio.Queue[BeatList] = asyncio.Queue()
    turns: asyncio.Queue[str] = asyncio.Queue()
    connected = asyncio.Event()
    source = ValkeySource(
        cluster.url_of(cluster.masters[1]),
        "breakpilot",
        on_message=heard.put_nowait,
        on_connected=connected.set,
        on_lost=lambda: None,
        monotonic=asyncio.get_running_loop().time,
        others={CONVERSATION_KEYS.changes: turns.put_nowait},
    )
    listening = asyncio.create_task(source.run())
    try:
        await asyncio.wait_for(connected.wait(), SOON)
        async with await SessionManager.connect(None, cluster.url) as agent:
            session = await agent.create_session("grader")
            await agent.heartbeat(session.session_id)
            async with asyncio.timeout(SOON):
                [(session_id, at)] = await heard.get()
            assert session_id == session.session_id
            assert await source.newest([session_id]) == {session_id: at}
        async with ConversationManager(ConversationConfig(valkey_url=cluster.url)) as tutor:
            await tutor.add_turn_to_session("c", "And in Enschede?", "Two.")
            async with asyncio.timeout(SOON):
                assert json.loads(await turns.get())["id"] == "c"
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_the_monitor_reads_and_forgets_beats(cluster: OwnCluster) -> None:
    async with RedisCluster.from_url(cluster.url) as client:
        await client.zadd(KEYS.heartbeats, {"old": 1, "new": 10})
    deferred = DeferredClient(cluster.url)
    assert await deferred.ping()
    assert await deferred.zremrangebyscore(KEYS.heartbeats, "-inf", "(5") == 1
    assert await deferred.zmscore(KEYS.heartbeats, ["old", "new"]) == [None, 10.0]


def test_presence_and_the_cache_of_pages_use_the_cluster(
    started: OwnCluster, settings: Any
) -> None:
    for port in started.masters:
        url = started.url_of(port)
        settings.VALKEY_URL = url
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": url}}
        presence._client.cache_clear()
        session_id = uuid.uuid4()
        assert presence.here(session_id, "olga", "") == []
        assert [p.name for p in presence.here(session_id, "otto", "pausing")] == ["olga"]
        for n in range(12):
            cache.set(f"view:{n}", [n, False], 30)
        assert [cache.get(f"view:{n}") for n in range(12)] == [[n, False] for n in range(12)]
    presence._client.cache_clear()


@pytest.mark.django_db(transaction=True)
def test_the_dashboard_serves_over_a_cluster(
    started: OwnCluster, start_dashboard: Callable[..., LiveDashboard]
) -> None:
    live = start_dashboard(VALKEY_URL=started.url)
    with urllib.request.urlopen(f"{live.url}/healthz") as answer:
        assert json.loads(answer.read())["valkey"] == "ok"


@dataclass
class ClusterUsers:
    cluster: OwnCluster

    def url(self, user: str) -> str:
        return self.cluster.url_of(self.cluster.masters[0], f"{user}:{user}-password")


@pytest.fixture
async def users(tmp_path: Path) -> AsyncIterator[ClusterUsers]:
    """A cluster with the users of docs/operations.md."""
    lines = LINES.findall((configured.BASE_DIR / "docs/operations.md").read_text())
    acl = tmp_path / "users.acl"
    acl.write_text("\n".join([*lines, ADMINISTRATOR, ""]))
    cluster = OwnCluster()
    for node in cluster.nodes.values():
        node.as_user = node.url_of("root", "root-password")
    try:
        await cluster.start(aclfile=str(acl))
        yield ClusterUsers(cluster)
    finally:
        cluster.remove()


async def test_the_documented_users_can_do_on_a_cluster_all_that_they_need(
    users: ClusterUsers, database_url: str
) -> None:
    await an_agents_day(users, database_url)
    await a_conversation(users, "c")
    async with await SessionManager.connect(None, users.url("agents")) as alone:
        session = await alone.create_session("grader")
        assert [s.session_id for s in await alone.get_active_sessions()] == [session.session_id]
    web = DeferredClient(users.url("web"))
    assert await web.ping()
    assert await web.zcard(KEYS.heartbeats) > 0
    for port in users.cluster.nodes:
        with users.cluster.client(port) as client:
            log = client.acl_log()
            assert [line for line in log if line["object"] != "client"] == []

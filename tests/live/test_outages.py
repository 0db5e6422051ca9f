"""Outages end without help, and meanwhile nothing wrong is claimed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from redis.asyncio import Redis

from agent_sessions.keys import Keys
from dashboard.embedded import Servers, valkey
from dashboard.embedded.data_folder import prepare
from sessions_app.live.factory import listen_parameters
from sessions_app.live.hub import Hub

from . import writers
from .conftest import NAMESPACE, created, heard, until
from .screen import Screen

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Servers]:
    """A Valkey of the test that can be stopped."""
    servers = Servers(tmp_path, database=False)
    tmp_path.chmod(0o711)
    prepare(tmp_path)
    servers.start()
    yield servers
    servers.stop()


async def test_without_valkey_rows_stay_live_and_only_heartbeats_are_missing(
    hub_on: Callable[[str], Awaitable[Hub]], own_valkey: Servers, database_url: str
) -> None:
    hub = await hub_on(valkey.url(own_valkey.data_dir))
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    own_valkey.stop()
    await until(lambda: not hub.beats.live)
    hub.watch()
    await screen.settled()
    assert screen.last("feed")["status"] == "live"
    assert screen.last("feed")["beats_since"] > 0
    assert hub.outages.since

    writers.pause(database_url, session_id)
    await heard(hub, session_id, 2)
    await hub.tick()
    await screen.settled()
    assert screen.rows[session_id]["version"] == 2

    own_valkey.start()
    await until(lambda: hub.beats.live)
    hub.watch()
    await screen.settled()
    assert "beats_since" not in screen.last("feed")
    assert not hub.outages.since
    assert hub.outages.outages()[-1].cause == "valkey"
    beat = screen.beats[session_id] + 1
    async with Redis.from_url(valkey.url(own_valkey.data_dir)) as client:
        await client.publish(Keys(NAMESPACE).beats, json.dumps([[session_id, beat]]))
        await until(lambda: screen.beats[session_id] == beat, hub.tick)


@pytest.fixture
async def hub_on(transactional_db: None, database_url: str) -> object:
    started: list[Hub] = []

    async def start(url: str) -> Hub:
        hub = Hub(listen_parameters, url, NAMESPACE)
        started.append(hub)
        hub.listen()
        await until(lambda: hub.status.current().status == "live" and hub.beats.live, hub.tick)
        return hub

    yield start
    for hub in started:
        await hub.stop()


async def test_heartbeats_stored_during_an_outage_are_read_afterwards(
    hub: Hub, database_url: str, redis_client: Redis
) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    beat = screen.beats[session_id] + 1
    await redis_client.zadd(Keys(NAMESPACE).heartbeats, {session_id: beat})
    await redis_client.client_kill_filter(_type="pubsub")
    await until(lambda: screen.beats[session_id] == beat, hub.tick)


async def test_a_database_that_does_not_answer_is_reported_and_reconnected(
    hub: Hub, database_url: str
) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    frozen = hub.listener.backend_pid
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    try:
        await until(lambda: hub.listener.proven_at is None or hub.listener.backend_pid != frozen)
        writers.pause(database_url, session_id)
        await until(lambda: hub.status.current().status == "live", hub.tick)
        await screen.settled()
        assert screen.rows[session_id]["version"] == 2
    finally:
        os.kill(frozen, signal.SIGCONT)
    told = [frame["feed"]["status"] for frame in screen.frames]
    assert "blind" in told
    assert told[-1] == "live"


@pytest.fixture
async def afterwards_django_connects_anew() -> AsyncIterator[None]:
    """Closes the thread's connection, which was killed, so that the next test gets a new one."""
    yield
    await sync_to_async(connections.close_all)()
    connections.close_all()


@pytest.mark.usefixtures("afterwards_django_connects_anew")
async def test_a_reading_connection_that_is_killed_costs_one_tick_and_no_change(
    hub: Hub, database_url: str
) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    writers.sql(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid NOT IN (pg_backend_pid(), %s) AND backend_type = 'client backend'",
        hub.listener.backend_pid,
    )
    writers.pause(database_url, session_id)
    await heard(hub, session_id, 2)
    await hub.tick()
    assert session_id not in screen.rows
    assert hub.buffer.knows(session_id) == 2
    await hub.tick()
    await screen.settled()
    assert screen.rows[session_id]["version"] == 2


async def test_changes_committed_during_an_outage_are_found(hub: Hub, database_url: str) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    writers.sql(database_url, "SELECT pg_terminate_backend(%s)", hub.listener.backend_pid)
    writers.pause(database_url, session_id)
    await until(lambda: screen.rows.get(session_id, {}).get("version") == 2, hub.tick)
    await until(lambda: screen.status == "live", hub.tick)
    assert hub.outages.outages()[-1].cause == "postgresql"

"""A page that stops reading costs bounded memory, delays no other page, and is closed."""

from __future__ import annotations

import asyncio

import pytest

from sessions_app.live.hub import Hub
from sessions_app.live.limits import LIMITS
from sessions_app.live.sockets import close_codes

from . import writers
from .conftest import Clock, created, heard
from .screen import VIEWER, Screen

pytestmark = pytest.mark.django_db(transaction=True)


async def change(hub: Hub, database_url: str, ids: list[str], version: int) -> None:
    writers.sql(
        database_url,
        "UPDATE agent_sessions SET user_id = 'maria-' || %s::int",
        version,
    )
    for session_id in ids:
        await heard(hub, session_id, version)
    await hub.tick()


async def test_updates_for_a_page_that_does_not_acknowledge_are_merged(
    hub: Hub, database_url: str
) -> None:
    ids = await created(hub, database_url, 3)
    stalled, healthy = Screen(hub, acknowledges=False), Screen(hub)
    await stalled.shows(ids)
    await healthy.shows(ids)
    for version in range(2, 40):
        await change(hub, database_url, ids, version)
        await healthy.settled()
        assert {row["version"] for row in healthy.rows.values()} == {version}
    assert len(stalled.frames) <= LIMITS.window_frames
    assert stalled.socket.unacked_bytes < LIMITS.window_bytes + LIMITS.frame_bytes + 20_000
    assert stalled.socket.update is not None
    assert stalled.socket.update.rows.keys() == set(ids)

    stalled.acknowledges = True
    stalled.says({"type": "ack", "n": stalled.frames[-1]["n"]})
    await stalled.settled()
    assert {row["version"] for row in stalled.rows.values()} == {39}


async def test_a_stalled_page_is_closed_after_its_time(
    clocked: Hub, clock: Clock, database_url: str
) -> None:
    ids = await created(clocked, database_url)
    stalled, healthy = Screen(clocked, acknowledges=False), Screen(clocked)
    await stalled.shows(ids)
    await healthy.shows(ids)
    for _ in range(LIMITS.acknowledgement.__int__() + 1):
        clock.passes(1)
        clocked.watch()
        await healthy.settled()
    await stalled.settled()
    assert stalled.closed == (close_codes.NO_ACKNOWLEDGEMENT, "no acknowledgement")
    assert stalled.socket.update is None
    assert stalled.socket not in clocked.subscriptions.sockets
    assert healthy.closed is None


async def test_a_standstill_of_the_server_closes_no_page(
    clocked: Hub, clock: Clock, database_url: str
) -> None:
    stalled = Screen(clocked, acknowledges=False)
    await stalled.shows(await created(clocked, database_url))
    clock.passes(60)
    clocked.watch()
    await stalled.settled()
    assert stalled.closed is None
    assert "standstill" in [interval.cause for interval in clocked.outages.outages()]


async def test_a_send_that_never_returns_delays_nobody(hub: Hub, database_url: str) -> None:
    ids = await created(hub, database_url)
    blocked, healthy = Screen(hub), Screen(hub)

    async def never(_message: object) -> None:
        await asyncio.Event().wait()

    blocked.socket._send = never
    blocked.says({"type": "hello", "page": "list", "rows": dict.fromkeys(ids, 1)})
    await healthy.shows(ids)
    for version in range(2, 6):
        await change(hub, database_url, ids, version)
        await healthy.settled()
        assert healthy.rows[ids[0]]["version"] == version
    hub.gateway.leave(blocked.socket)
    await blocked.settled()


async def test_a_server_that_says_the_page_is_gone_harms_nobody(
    hub: Hub, database_url: str
) -> None:
    ids = await created(hub, database_url)
    gone = Screen(hub)

    async def raises(_message: object) -> None:
        raise RuntimeError("Unexpected ASGI message after close")

    gone.socket._send = raises
    await gone.shows(ids)
    await change(hub, database_url, ids, 2)
    assert gone.socket.closed is None


async def test_an_idle_page_gets_a_keepalive(clocked: Hub, clock: Clock, database_url: str) -> None:
    screen = Screen(clocked)
    await screen.shows(await created(clocked, database_url))
    sent = len(screen.frames)
    clock.passes(5)
    clocked.watch()
    await screen.settled()
    assert len(screen.frames) == sent + 1
    assert screen.frames[-1].keys() == {"n", "now", "feed"}


async def test_a_socket_that_never_says_hello_is_closed(clocked: Hub, clock: Clock) -> None:
    screen = Screen(clocked, viewer=VIEWER)
    for _ in range(11):
        clock.passes(1)
        clocked.watch()
    await screen.settled()
    assert screen.closed == (close_codes.MALFORMED, "no hello")

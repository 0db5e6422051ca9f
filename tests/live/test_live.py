"""The real server on a real socket: access, closing, and delivery of changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from sessions_app.live.sockets import close_codes
from tests.support.dashboard import UVICORN, LiveDashboard, session_cookie

from ..support.page import Page
from . import writers

if TYPE_CHECKING:
    from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_pause_in_psql_reaches_an_open_page(
    live_dashboard: LiveDashboard, cookie: dict[str, Any], database_url: str
) -> None:
    ids = writers.create(database_url, 3)
    async with Page(live_dashboard.url, cookie, ids) as page:
        await page.until(lambda: page.is_live)
        writers.pause(database_url, ids[0])
        await page.until(lambda: page.versions[ids[0]] == 2)
        assert 'data-state="paused"' in page.html[ids[0]]


async def test_an_anonymous_visitor_is_sent_to_the_login(live_dashboard: LiveDashboard) -> None:
    async with Page(live_dashboard.url, None) as page:
        assert await page.is_closed() == close_codes.NOT_LOGGED_IN
        assert page.frames == 0


@pytest.fixture
def cookie_of_nobody(live_dashboard: LiveDashboard, nobody: User) -> dict[str, Any]:
    return session_cookie(live_dashboard.url, nobody)


async def test_who_may_not_look_is_refused(
    live_dashboard: LiveDashboard, cookie_of_nobody: dict[str, Any]
) -> None:
    async with Page(live_dashboard.url, cookie_of_nobody) as page:
        assert await page.is_closed() == close_codes.RIGHTS_CHANGED
        assert page.frames == 0


async def test_a_forged_origin_is_refused_before_the_handshake(
    live_dashboard: LiveDashboard, cookie: dict[str, Any]
) -> None:
    headers = {"Cookie": f"{cookie['name']}={cookie['value']}"}
    url = live_dashboard.url.replace("http", "ws") + "/ws/sessions/"
    forged = ("http://evil.example", "http://127.0.0.1:1", "null", "file://", "http://[")
    for origin in (*map(Origin, forged), None):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, additional_headers=headers, origin=origin)
        status = refused.value.response.status_code
        assert status in (400, 403), origin  # 400: autobahn's answer to an invalid address


async def test_a_right_that_is_withdrawn_ends_the_open_socket(
    live_dashboard: LiveDashboard, cookie: dict[str, Any], viewer: User
) -> None:
    async with Page(live_dashboard.url, cookie) as page:
        await page.until(lambda: page.is_live)
        await sync_to_async(viewer.groups.clear)()
        assert await page.is_closed() == close_codes.RIGHTS_CHANGED


async def is_live(page: Page) -> None:
    await page.until(lambda: page.is_live)


async def test_a_changed_password_ends_every_open_socket_of_that_person_alone(
    live_dashboard: LiveDashboard, cookie: dict[str, Any], viewer: User, operator: User
) -> None:
    log_in = sync_to_async(session_cookie)
    elsewhere = await log_in(live_dashboard.url, viewer)
    another_s = await log_in(live_dashboard.url, operator)
    async with (
        Page(live_dashboard.url, cookie) as one,
        Page(live_dashboard.url, elsewhere) as two,
        Page(live_dashboard.url, another_s) as other,
    ):
        for page in (one, two, other):
            await is_live(page)
        viewer.set_password("another")
        await viewer.asave()
        for page in (one, two):
            assert await page.is_closed() == close_codes.NOT_LOGGED_IN
        frames = other.frames
        await other.until(lambda: other.frames > frames)


async def test_logging_out_ends_the_open_socket(
    live_dashboard: LiveDashboard, cookie: dict[str, Any]
) -> None:
    from django.contrib.sessions.models import Session

    async with Page(live_dashboard.url, cookie) as page:
        await page.until(lambda: page.is_live)
        await Session.objects.filter(session_key=cookie["value"]).adelete()
        assert await page.is_closed() == close_codes.NOT_LOGGED_IN


async def test_a_flood_is_closed_and_the_others_go_on(
    live_dashboard: LiveDashboard, cookie: dict[str, Any], database_url: str
) -> None:
    ids = writers.create(database_url)
    async with (
        Page(live_dashboard.url, cookie, ids) as flooding,
        Page(live_dashboard.url, cookie, ids) as page,
    ):
        await page.until(lambda: page.is_live)
        for _ in range(2000):
            flooding.says({"type": "ping"})
        # 1006: with unread messages, the reset can overtake the frame with the code
        assert await flooding.is_closed() in {close_codes.FLOOD, 1006}
        writers.pause(database_url, ids[0])
        await page.until(lambda: page.versions[ids[0]] == 2)


async def test_bad_messages_are_closed_with_their_code_and_without_a_traceback(
    live_dashboard: LiveDashboard, cookie: dict[str, Any]
) -> None:
    bad: dict[str | bytes, set[int]] = {
        "{": {close_codes.MALFORMED},
        b"\x00": {close_codes.MALFORMED},
        "x" * 70_000: {close_codes.TOO_LARGE},
        "x" * 2_000_000: {1006, 1009},  # daphne closes the connection at this size
    }
    for message, allowed in bad.items():
        async with Page(live_dashboard.url, cookie) as page:
            await page.socket.send(message)
            assert await page.is_closed() in allowed
    assert "Traceback" not in live_dashboard.log.read_text()


async def test_a_listen_connection_that_is_killed_heals_and_the_page_is_told(
    live_dashboard: LiveDashboard, cookie: dict[str, Any], database_url: str
) -> None:
    ids = writers.create(database_url, 5)
    async with Page(live_dashboard.url, cookie, ids) as page:
        await page.until(lambda: page.is_live)
        page.statuses.clear()
        for n in range(3):
            with psycopg.connect(database_url) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE 'LISTEN%%' OR application_name = 'sessions feed'"
                )
                connection.execute(
                    "UPDATE agent_sessions SET context = %s", (json.dumps({"n": n}),)
                )
            await page.shows(dict.fromkeys(ids, n + 2))
            await page.until(lambda: page.is_live)
        assert "blind" in page.statuses


async def test_uvicorn_serves_the_feed_as_well(
    cookie: dict[str, Any], database_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "uvicorn.log"
    live = LiveDashboard.start(log, {}, command=UVICORN)
    try:
        ids = writers.create(database_url, 3)
        async with Page(live.url, cookie, ids) as page:
            await page.until(lambda: page.is_live)
            writers.pause(database_url, ids[0])
            await page.until(lambda: page.versions[ids[0]] == 2)
            await page.socket.send("{")
            assert await page.is_closed() == close_codes.MALFORMED
            assert page.socket.close_reason == "not JSON"
    finally:
        live.stop()
    assert "Traceback" not in log.read_text()

"""Every form of address that libpq accepts works for pages, feed, watchdog and library."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db.utils import ConnectionHandler
from psycopg.conninfo import conninfo_to_dict

from agent_sessions import SessionManager
from dashboard.database import address
from dashboard.errors import SetupError
from dashboard.preflight import check_notifications
from sessions_app.live.factory import listen_parameters
from sessions_app.watchdog.factory import parameters
from sessions_app.watchdog.leader import Leader
from tests.library.transaction_pooler import TransactionPooler
from tests.support.dashboard import LiveDashboard, session_cookie
from tests.support.page import Page

SERVICE = "[school]\nhost={host}\nport={port}\nuser={user}\npassword={password}\ndbname={dbname}\n"
FORMS = {
    "host in the query": "postgresql:///{dbname}?host={host}&port={port}&user={user}&password={password}",
    "two hosts": "postgresql://{user}:{password}@%2Fnowhere:5432,{quoted}:{port}/{dbname}",
    "two hosts of which one is wanted": (
        "postgresql://{user}:{password}@{quoted}:{port},{quoted}:{port}/{dbname}?target_session_attrs=read-write"
    ),
    "a service": "postgresql://?service=school",
    "a service as keyword": "service=school",
    "options": "postgresql://{user}:{password}@{quoted}:{port}/{dbname}?options=-c%20statement_timeout%3D9s",
    "keywords": "host={host} port={port} user={user} password={password} dbname={dbname}",
    "the short scheme": "postgres://{user}:{password}@{quoted}:{port}/{dbname}",
}


@pytest.fixture(params=FORMS)
def form(
    request: pytest.FixtureRequest,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    values = {"port": "5432", **conninfo_to_dict(database_url)}
    values["quoted"] = str(values["host"]).replace("/", "%2F")
    services = tmp_path / "services.conf"
    services.write_text(SERVICE.format(**values))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    written = FORMS[request.param].format(**values)
    monkeypatch.setattr(settings, "DATABASE_URL", written)
    monkeypatch.setattr(settings, "LISTEN_DATABASE_URL", "")
    return written


@pytest.mark.django_db
def test_django_reads_through_it(form: str) -> None:
    found = {"default": {**address.django_settings(form), "ENGINE": "dashboard.database"}}
    own = ConnectionHandler(found)["default"]
    own.inc_thread_sharing()
    try:
        with own.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM agent_sessions, current_setting('statement_timeout')"
            )
            assert cursor.fetchone() == (0,)
    finally:
        own.close()


async def test_the_feed_listens_through_it(form: str) -> None:
    async with await psycopg.AsyncConnection.connect(
        **listen_parameters(), autocommit=True
    ) as connection:
        await connection.execute("LISTEN agent_sessions")
        check_notifications(form)


async def test_the_monitor_leads_through_it(form: str) -> None:
    post = Leader(parameters)
    try:
        assert await post.acquire()
    finally:
        await post.release()


async def test_the_library_works_through_it(form: str) -> None:
    async with await SessionManager.connect(form) as manager:
        session = await manager.create_session("grader")
        assert await manager.read(session.session_id)


def test_a_dashboard_at_two_hosts_is_live(
    start_dashboard: Callable[..., LiveDashboard], database_url: str, viewer: Any
) -> None:
    said = conninfo_to_dict(database_url)
    quoted = str(said["host"]).replace("/", "%2F")
    live = start_dashboard(
        DATABASE_URL=f"postgresql://{said['user']}:{said['password']}@%2Fnowhere,{quoted}/{said['dbname']}?options=-c%20work_mem%3D5MB"
    )
    asyncio.run(becomes_live_and_counts_a_newcomer(live.url, session_cookie(live.url, viewer)))


async def becomes_live_and_counts_a_newcomer(url: str, cookie: dict[str, Any]) -> None:
    async with Page(url, cookie) as page:
        await page.until(lambda: page.is_live)
        async with await SessionManager.connect(settings.DATABASE_URL) as manager:
            await manager.create_session("grader")
        await page.until(lambda: page.new == 1)


async def test_a_pooler_without_an_address_to_listen_at_is_refused_at_the_start(
    database_url: str,
) -> None:
    async with TransactionPooler(database_url) as pooler:
        with pytest.raises(SetupError, match="set LISTEN_DATABASE_URL"):
            await asyncio.to_thread(check_notifications, pooler.url)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("postgresql://ada:secret@db:5432/x?sslpassword=more", "postgresql://ada@db:5432/x"),
        ("host=a,b port=1,2 password=secret user=ada", "postgresql://ada@a:1,b:2/"),
        ("service=school", "postgresql:///?service=school"),
    ],
)
def test_messages_show_an_address_without_its_secrets(written: str, told: str) -> None:
    assert address.shown(written) == told

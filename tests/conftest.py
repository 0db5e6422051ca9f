"""Real servers for every test: one PostgreSQL and one Valkey a test process, in a temporary folder.

- `database_url`, `valkey_url`: migrated and emptied for this test
- `pool`, `redis_client`, `manager`: the library on both (async tests)
- `db`, `transactional_db` (pytest-django): the same database, the sessions' tables emptied too
- `operator`, `viewer`, `nobody`: the three people
- `live_dashboard`: the real server as a process of its own; `start_dashboard` for one with other settings
- `log_in(context, user)`: a browser context that is logged in to `live_dashboard`
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import psycopg
import pytest
import redis
import redis.asyncio
from django.conf import settings
from psycopg_pool import AsyncConnectionPool

from dashboard.embedded import Servers, running
from tests.support.chromium import chromium
from tests.support.dashboard import ASYNC_UNSAFE, LiveDashboard, session_cookie
from tests.support.waiting import HANGS

# Installed by `make frameworks`.
collect_ignore = [] if importlib.util.find_spec("dspy") else ["frameworks"]

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from agent_sessions import SessionManager

# For all tests: no deadline, which would be an assertion on wall time.
hypothesis.settings.register_profile(
    "ci",
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
hypothesis.settings.register_profile(
    "thorough",
    hypothesis.settings.get_profile("ci"),
    max_examples=300,
    derandomize=False,
    phases=tuple(hypothesis.Phase),
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Deleting a few rows takes 5 ms, TRUNCATE of a dozen tables 60 ms.
EMPTY_SESSIONS = """
DO $$
DECLARE stored record;
BEGIN
    SET LOCAL session_replication_role = replica;  -- the history refuses to be emptied otherwise
    SET LOCAL lock_timeout = '10s';
    IF to_regclass('agent_sessions') IS NOT NULL THEN
        LOCK TABLE agent_sessions;  -- waits for what still writes
    END IF;
    FOR stored IN
        SELECT oid::regclass AS name, pg_relation_size(oid) AS size FROM pg_class
        WHERE relname LIKE 'agent\\_session%' AND relname NOT IN (
            'agent_session_migrations', 'agent_session_timeline', 'agent_session_verbs')
          AND relkind = 'r'
    LOOP
        EXECUTE format(CASE WHEN stored.size > 200000 THEN 'TRUNCATE %s' ELSE 'DELETE FROM %s' END, stored.name);
    END LOOP;
    PERFORM setval(owned.objid::regclass, 1, false) FROM pg_depend owned
    JOIN pg_class sequence ON sequence.oid = owned.objid AND sequence.relkind = 'S'
    WHERE owned.classid = 'pg_class'::regclass AND owned.refobjid::regclass::text LIKE 'agent\\_session%';
END $$
"""


def in_browser(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    return bool({"browser", "context", "page", "playwright"} & set(names))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Runs browser tests last: Playwright leaves a loop running, in which async tests cannot start theirs."""
    for item in filter(in_browser, items):
        item.add_marker("browser")  # what -m chooses by
    items.sort(key=in_browser)
    if os.geteuid() != 0:
        of_root = [item for item in items if item.get_closest_marker("root")]
        items[:] = [item for item in items if item not in of_root]
        config.hook.pytest_deselected(items=of_root)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """Stops the thread that a page started, which would look for bulk jobs in the database of later tests."""
    from sessions_app.bulk.worker import background

    background.stop()


@pytest.fixture(autouse=True)
def _database_beside_playwright(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Allows Django's database access in the main thread, where Playwright's loop runs."""
    if in_browser(request.node):
        monkeypatch.setenv(ASYNC_UNSAFE, "true")


# -- Servers -------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with running(Servers(settings.DATA_DIR, durable=False)) as servers:
        yield servers


@pytest.fixture(scope="session")
def migrated(servers: Servers, django_db_blocker: Any) -> str:
    from django.core.management import call_command

    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0)
    return str(settings.DATABASE_URL)


@pytest.fixture(scope="session")
def django_db_setup(migrated: str) -> None:
    """Uses the library's database for pytest-django's tests."""


@pytest.fixture
def emptied(migrated: str) -> str:
    patient = settings.DATABASES["default"]["OPTIONS"]["options"]
    with psycopg.connect(migrated, autocommit=True, options=patient) as connection:
        connection.execute(EMPTY_SESSIONS)
    with redis.Redis.from_url(settings.VALKEY_URL) as client:
        client.flushall()
    return migrated


@pytest.fixture(autouse=True)
def _emptied_where_django_is_used(request: pytest.FixtureRequest) -> None:
    uses = {"db", "transactional_db", "django_db_reset_sequences"} & set(request.fixturenames)
    if uses or request.node.get_closest_marker("django_db"):
        request.getfixturevalue("emptied")


@pytest.fixture
def database_url(emptied: str) -> str:
    return emptied


@pytest.fixture
def valkey_url(emptied: str) -> str:
    return str(settings.VALKEY_URL)


# -- The library ---------------------------------------------------------------------------------
@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[AsyncConnectionPool]:
    async with AsyncConnectionPool(database_url, min_size=1, max_size=8, open=False) as pool:
        yield pool


@pytest.fixture
async def redis_client(valkey_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.Redis.from_url(valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
async def manager(
    pool: AsyncConnectionPool, redis_client: redis.asyncio.Redis
) -> AsyncIterator[SessionManager]:
    from agent_sessions import SessionManager

    manager = SessionManager(redis_client, pool)
    yield manager
    await manager.close()


# -- People --------------------------------------------------------------------------------------
def _person(name: str, *groups: str) -> User:
    from django.contrib.auth.models import Group, User

    from sessions_app.permissions import ensure_groups

    ensure_groups()
    user = User.objects.create_user(name, password=name, is_staff=bool(groups))
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


@pytest.fixture
def operator(db: None) -> User:
    """A user who may do everything with sessions."""
    return _person("olga", "leads")


@pytest.fixture
def viewer(db: None) -> User:
    """A user who sees sessions with their contents, and may not act."""
    from sessions_app.permissions import CONTENT, EXPORT, SHARE, ensure_permissions

    user, rights = _person("viktor", "viewers"), ensure_permissions()
    user.user_permissions.add(*(rights[name] for name in (CONTENT, EXPORT, SHARE)))
    return user


@pytest.fixture
def plain_viewer(db: None) -> User:
    """A user who sees sessions, but not what is in them."""
    return _person("vera", "viewers")


@pytest.fixture
def nobody(db: None) -> User:
    """A user without permissions."""
    return _person("nora")


# -- The browser ---------------------------------------------------------------------------------
@pytest.fixture
def start_dashboard(
    transactional_db: None, emptied: str, tmp_path: Path
) -> Iterator[Callable[..., LiveDashboard]]:
    started: list[LiveDashboard] = []

    def start(**env: str) -> LiveDashboard:
        live = LiveDashboard.start(tmp_path / f"daphne-{len(started)}.log", env)
        started.append(live)
        return live

    yield start
    for live in started:
        live.stop()


@pytest.fixture
def live_dashboard(start_dashboard: Callable[..., LiveDashboard]) -> LiveDashboard:
    return start_dashboard()


@pytest.fixture
def log_in(live_dashboard: LiveDashboard) -> Callable[[Any, User], None]:
    def log_in(context: Any, user: User) -> None:
        context.add_cookies([session_cookie(live_dashboard.url, user)])

    return log_in


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Launch arguments of every browser. Also sets the timeout of `expect`."""
    from playwright.sync_api import expect

    expect.set_options(timeout=HANGS * 1000)
    return {**browser_type_launch_args, **chromium()}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "de-DE", "timezone_id": "Europe/Berlin"}

"""A page is called live only while notifications of the database arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sessions_app.live.factory import listen_parameters
from sessions_app.live.hub import Hub
from tools.chaos.wire import Wire

from . import writers
from .conftest import NAMESPACE, created, until

pytestmark = pytest.mark.django_db(transaction=True)
TRIGGERS = [f"agent_session_after_{verb}" for verb in ("insert", "update", "delete")]
Start = Callable[[], Awaitable[Hub]]


@pytest.fixture
def enabled_again(database_url: str) -> Iterator[None]:
    yield
    for trigger in TRIGGERS:
        writers.sql(database_url, f"ALTER TABLE agent_sessions ENABLE TRIGGER {trigger}")


@pytest.fixture
def wire(database_url: str) -> Iterator[Wire]:
    """A proxy between the feed and PostgreSQL."""
    with psycopg.connect(database_url) as connection:
        place = Path(connection.info.host) / f".s.PGSQL.{connection.info.port}"
    wire = Wire(place)
    wire.start()
    yield wire
    wire.stop()


@pytest.fixture
async def through(wire: Wire, database_url: str, valkey_url: str) -> AsyncIterator[Hub]:
    """A hub that listens to PostgreSQL through the proxy."""
    led = make_conninfo(database_url, host="127.0.0.1", port=wire.port, sslmode="disable")
    hub = Hub(lambda: {**listen_parameters(), "conninfo": led}, valkey_url, NAMESPACE)
    hub.listen()
    yield hub
    await hub.stop()


def status(hub: Hub) -> str:
    return hub.status.current().status


@pytest.mark.usefixtures("enabled_again")
@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_without_a_trigger_that_tells_of_changes_no_page_is_called_live(
    hub: Hub, database_url: str, trigger: str
) -> None:
    writers.sql(database_url, f"ALTER TABLE agent_sessions DISABLE TRIGGER {trigger}")
    await until(lambda: status(hub) == "blind", hub.tick)
    writers.sql(database_url, f"ALTER TABLE agent_sessions ENABLE TRIGGER {trigger}")
    await until(lambda: status(hub) == "live", hub.tick)


async def test_a_proxy_that_delivers_no_notifications_is_noticed(
    through: Hub, wire: Wire, database_url: str
) -> None:
    await until(lambda: status(through) == "live", through.tick)
    wire.keeps_notifications = True
    await until(lambda: status(through) == "blind", through.tick)
    wire.keeps_notifications = False
    await until(lambda: status(through) == "live", through.tick)
    await created(through, database_url)


async def test_a_server_that_never_delivered_any_is_never_called_live(
    through: Hub, wire: Wire
) -> None:
    wire.keeps_notifications = True
    seen: set[str] = set()
    await until(lambda: seen.add(status(through)) or through.listener._backoff.failures >= 2)  # type: ignore[func-returns-value]
    assert seen == {"blind"}

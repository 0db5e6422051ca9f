from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sessions_app.live.sources.valkey import DeferredClient
from sessions_app.watchdog.factory import watchdog
from sessions_app.watchdog.leader import Leader
from sessions_app.watchdog.observed_silence import Moment
from sessions_app.watchdog.watchdog import Watchdog
from tests.library.conversation.conftest import FragileValkey

RULES = {
    "default": {"late": 30, "lost": 120, "no_progress": 600, "fail_after": 3600},
    "tutor": {"lost": 60, "fail_after": 300},
}
HOUR = 3600.0


@dataclass
class Clock:
    """The database's clock and a monotonic one, as a check reads them; the test advances both."""

    wall: float
    steady: float = 1_000.0

    @property
    def moment(self) -> Moment:
        return Moment(self.wall, self.steady)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@dataclass
class Watched:
    """A watchdog on the test's clock, which checks when the test says so."""

    sweeper: Watchdog
    clock: Clock

    async def look(self) -> None:
        await self.sweeper.tick(self.clock.moment)

    async def watch_for(self, seconds: float, every: float = 15.0) -> None:
        passed = 0.0
        while passed < seconds:
            step = min(every, seconds - passed)
            self.clock.passes(step)
            passed += step
            await self.look()


@dataclass
class Database:
    """The database as in psql."""

    connection: psycopg.AsyncConnection[Any]

    async def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        cursor = await self.connection.execute(sql, parameters or None)
        return await cursor.fetchall() if cursor.description else []

    async def one(self, sql: str, *parameters: object) -> Any:
        return (await self.rows(sql, *parameters))[0][0]

    async def silent_for(self, session_id: str, seconds: float) -> None:
        """Sets the last heartbeat this long ago."""
        await self.rows(
            "UPDATE agent_sessions SET last_heartbeat = now() - make_interval(secs => %s) WHERE id = %s",
            seconds, session_id,
        )  # fmt: skip

    async def watched_for(self, seconds: float, clock: Clock) -> None:
        """Stores what a watchdog leaves behind that has checked without a gap for this long, until now."""
        await self.rows(
            "INSERT INTO agent_session_monitors (source, began_at, looked_at)"
            " VALUES ('sweeper', to_timestamp(%s), to_timestamp(%s))",
            clock.wall - seconds, clock.wall,
        )  # fmt: skip

    async def state_of(self, session_id: str) -> str:
        return str(await self.one("SELECT state FROM agent_sessions WHERE id = %s", session_id))

    async def blindness(self) -> list[tuple[str, float, float | None]]:
        return await self.rows(
            "SELECT cause, extract(epoch FROM started_at)::float8, extract(epoch FROM ended_at)::float8"
            " FROM agent_session_blindness ORDER BY started_at"
        )


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield Database(connection)


@pytest.fixture
async def clock(database: Database) -> Clock:
    return Clock(float(await database.one("SELECT extract(epoch FROM now())::float8")))


Make = Callable[..., Watched]


@pytest.fixture
async def make(database_url: str, valkey_url: str, clock: Clock) -> AsyncIterator[Make]:
    """Creates watchdogs as in several processes; stops them at the end."""
    made: list[Watchdog] = []

    def make(url: str = valkey_url, **parts: Any) -> Watched:
        parts = {
            "rules": RULES,
            "maintenance": None,
            "leader": Leader(lambda: {"conninfo": database_url}),
            "monotonic": lambda: clock.steady,
            **parts,
        }
        watching = watchdog(valkey=DeferredClient(url), **parts)
        made.append(watching)
        return Watched(watching, clock)

    yield make
    for watching in made:
        await watching.close()


@pytest.fixture
async def watched(make: Make, database: Database, clock: Clock) -> Watched:
    """A watchdog after a day of uninterrupted checks by another one."""
    await database.watched_for(24 * HOUR, clock)
    found = make()
    await found.look()
    return found


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[FragileValkey]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = FragileValkey(tmp_path, port)
    server.start()
    yield server
    server.stop()

"""The watchdog records its outages, and fails no session for silence during them."""

from __future__ import annotations

import pytest

from agent_sessions import SessionManager
from sessions_app.watchdog.leader import Leader

from .conftest import HOUR, Clock, Database, Make, Watched


@pytest.fixture
async def lost(manager: SessionManager, database: Database) -> str:
    """A session without heartbeats for two hours."""
    session = await manager.create_session("grader", "u")
    await database.silent_for(session.session_id, 2 * HOUR)
    return session.session_id


async def test_a_session_silent_before_the_first_watchdog_gets_the_whole_limit(
    make: Make, database: Database, lost: str
):
    watched = make()
    await watched.look()
    await watched.watch_for(HOUR - 60)
    assert await database.state_of(lost) == "active"
    await watched.watch_for(180)
    assert await database.state_of(lost) == "failed"


async def test_after_a_restart_there_is_a_full_grace_and_the_time_away_does_not_count(
    watched: Watched, make: Make, manager: SessionManager, database: Database, clock: Clock
):
    """Silent for 50 observed minutes and 30 unobserved ones: ten more minutes."""
    session = await manager.create_session("grader", "u")
    await watched.sweeper.close()
    left_at = clock.wall
    clock.passes(30 * 60)
    await database.silent_for(session.session_id, 50 * 60)
    after = make()
    await after.look()
    assert await database.blindness() == [("restart", left_at, clock.wall)]
    await after.watch_for(8 * 60)
    assert await database.state_of(session.session_id) == "active"
    await after.watch_for(4 * 60)
    assert await database.state_of(session.session_id) == "failed"


async def test_a_watchdog_that_takes_over_without_a_gap_waits_too(
    watched: Watched, make: Make, database: Database, lost: str, clock: Clock
):
    await watched.sweeper.close()
    clock.passes(5)
    after = make()
    await after.look()
    assert await database.blindness() == []
    await after.watch_for(100)
    assert await database.state_of(lost) == "active"
    await after.watch_for(60)
    assert await database.state_of(lost) == "failed"


async def test_without_valkey_no_session_is_failed_and_the_outage_is_recorded(
    make: Make, fragile, manager: SessionManager, database: Database, clock: Clock
):
    await database.watched_for(24 * HOUR, clock)
    watched = make(fragile.url)
    await watched.look()
    session = await manager.create_session("grader", "u")
    gone_at = clock.wall
    fragile.stop()
    await database.silent_for(session.session_id, 2 * HOUR)
    await watched.watch_for(600)
    assert await database.state_of(session.session_id) == "active"
    assert await database.blindness() == [("valkey", gone_at, None)]
    fragile.start()
    clock.passes(5)
    await watched.look()
    back_at = clock.wall
    assert await database.blindness() == [("valkey", gone_at, back_at)]
    await watched.watch_for(100)
    assert await database.state_of(session.session_id) == "active"
    await watched.watch_for(30)
    assert await database.state_of(session.session_id) == "failed"


class FrozenFor:
    """A monotonic clock on which the n-th query takes the n-th number of seconds. The first reading is of no query."""

    def __init__(self, *seconds: float) -> None:
        self.now, self._left, self._readings = 1_000.0, list(seconds), 0

    def __call__(self) -> float:
        self._readings += 1
        is_answer = self._readings > 1 and self._readings % 2 == 1
        if is_answer and self._left:
            self.now += self._left.pop(0)
        return self.now


async def test_a_slow_database_is_the_named_cause_and_not_a_clock(
    make: Make, database: Database, clock: Clock
):
    await database.watched_for(24 * HOUR, clock)
    watching = make(monotonic=FrozenFor(0, 0, 20.0)).sweeper
    await watching.tick()  # two queries: the clock, and the check itself
    assert await database.blindness() == []
    await watching.tick()
    assert not watching.is_watching
    await watching.tick()
    assert [cause for cause, _, _ in await database.blindness()] == ["postgresql"]


async def test_a_check_that_hangs_in_the_database_is_named_too(
    make: Make, database: Database, clock: Clock
):
    await database.watched_for(24 * HOUR, clock)
    watching = make(monotonic=FrozenFor(0, 20.0)).sweeper
    await watching.tick()
    assert not watching.is_watching
    await watching.tick()
    assert [cause for cause, _, _ in await database.blindness()] == ["postgresql"]


async def test_a_restart_of_valkey_between_two_checks_is_noticed(
    make: Make, fragile, database: Database, clock: Clock
):
    watched = make(fragile.url)
    await watched.look()
    seen_at = clock.wall
    fragile.stop()
    fragile.start()
    clock.passes(5)
    await watched.look()
    assert await database.blindness() == [("valkey", seen_at, None)]
    clock.passes(5)
    await watched.look()
    assert await database.blindness() == [("valkey", seen_at, clock.wall)]


async def test_a_lost_connection_to_postgresql_is_an_outage(
    watched: Watched, database: Database, lost: str, clock: Clock
):
    seen_at = clock.wall
    await database.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    )
    clock.passes(5)
    await watched.look()
    assert await database.blindness() == []
    clock.passes(5)
    await watched.look()
    assert await database.blindness() == [("postgresql", seen_at, clock.wall)]
    await watched.watch_for(100)
    assert await database.state_of(lost) == "active"
    await watched.watch_for(40)
    assert await database.state_of(lost) == "failed"


async def test_a_clock_that_jumps_ahead_fails_nobody(
    watched: Watched, manager: SessionManager, database: Database, clock: Clock
):
    session = await manager.create_session("grader", "u")
    clock.passes(5)
    clock.wall += 5 * HOUR
    await watched.look()
    await watched.watch_for(1800)
    assert await database.state_of(session.session_id) == "active"
    [(cause, since, until)] = await database.blindness()
    assert cause == "clock"
    assert until is not None
    assert until - since == pytest.approx(5 * HOUR + 5)


async def test_a_clock_that_is_set_back_fails_nobody(
    watched: Watched, manager: SessionManager, database: Database, clock: Clock
):
    session = await manager.create_session("grader", "u")
    clock.passes(5)
    clock.wall -= 2 * HOUR
    await watched.look()
    await watched.watch_for(HOUR + 300)
    assert await database.state_of(session.session_id) == "active"


async def test_a_time_without_checks_is_an_outage(
    watched: Watched, manager: SessionManager, database: Database, clock: Clock
):
    """A suspended laptop or a stopped process: two hours without checks."""
    session = await manager.create_session("grader", "u")
    stood_at = clock.wall
    clock.passes(2 * HOUR)
    await watched.look()
    assert await database.blindness() == [("standstill", stood_at, clock.wall)]
    await watched.watch_for(HOUR - 300)
    assert await database.state_of(session.session_id) == "active"


async def test_an_outage_left_open_by_a_killed_watchdog_ends_with_the_next_one(
    make: Make, fragile, database: Database, clock: Clock, valkey_url: str
):
    watched = make(fragile.url)
    await watched.look()
    fragile.stop()
    clock.passes(5)
    await watched.look()
    await watched.sweeper._leader.release()  # as if killed: nothing is written any more
    clock.passes(60)
    await make().look()
    open_ones = [row for row in await database.blindness() if row[2] is None]
    assert open_ones == []


async def test_one_watchdog_is_the_leader_until_it_is_gone(
    make: Make, database: Database, clock: Clock
):
    first, second = make(), make()
    await first.look()
    await second.look()
    assert (first.sweeper.is_watching, second.sweeper.is_watching) == (True, False)
    await first.sweeper.close()
    clock.passes(5)
    await second.look()
    assert second.sweeper.is_watching


async def test_a_watchdog_without_a_database_waits_for_it(make: Make, clock: Clock):
    watched = make(
        leader=Leader(lambda: {"conninfo": "host=127.0.0.1 port=1 dbname=none connect_timeout=2"})
    )
    await watched.look()
    assert not watched.sweeper.is_watching

"""Maintenance beside other writers: counts folded, months prepared, old heartbeats deleted."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from agent_sessions import SessionManager
from sessions_app.live.sources.valkey import DeferredClient
from sessions_app.watchdog.leader import Leader
from sessions_app.watchdog.maintenance import (
    FOLD,
    PREPARE,
    Chore,
    WatchdogMaintenance,
    forget_beats,
)
from tests.support.keys import KEYS

from .conftest import Database

SUMS = "SELECT agent_type, state, sum(n)::int FROM agent_session_counts GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2"
TRUTH = "SELECT agent_type, state, count(*)::int FROM agent_sessions GROUP BY 1, 2 ORDER BY 1, 2"


async def test_folding_keeps_every_sum(manager: SessionManager, database: Database):
    made = [await manager.create_session(t, "u") for t in ("grader", "tutor") for _ in range(5)]
    for session in made[:3]:
        await manager.complete(session.session_id, actor="olga")
    before = await database.rows(SUMS)
    await database.rows(FOLD, 0)
    assert await database.rows(SUMS) == before == await database.rows(TRUTH)
    assert await database.one("SELECT count(*) FROM agent_session_counts") == len(before)


async def test_few_differences_are_left_as_they_are(manager: SessionManager, database: Database):
    for _ in range(3):
        await manager.create_session("grader", "u")
    await database.rows(FOLD, 200)
    assert await database.one("SELECT count(*) FROM agent_session_counts") == 3


async def test_folding_while_others_write_and_fold_loses_no_difference(
    manager: SessionManager, database: Database, database_url: str
):
    async def fold() -> None:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as own:
            for _ in range(25):
                await own.execute(FOLD, (0,))

    async def work(n: int) -> None:
        for _ in range(10):
            session = await manager.create_session("grader", str(n))
            await manager.complete(session.session_id, actor="olga")

    await asyncio.gather(fold(), fold(), *(work(n) for n in range(8)))
    assert await database.rows(SUMS) == await database.rows(TRUTH) == [("grader", "completed", 80)]


async def test_an_uncommitted_difference_is_counted_when_it_is_there(
    manager: SessionManager, database: Database, database_url: str
):
    await manager.create_session("grader", "u")
    async with await psycopg.AsyncConnection.connect(database_url) as slow:
        await slow.execute(
            "INSERT INTO agent_sessions (id, agent_type) VALUES (gen_random_uuid(), 'tutor')"
        )
        await database.rows(FOLD, 0)
        assert await database.rows(SUMS) == [("grader", "active", 1)]
        await slow.commit()
    assert await database.rows(SUMS) == await database.rows(TRUTH)


@pytest.fixture
async def emptied_months(database: Database):
    """Removes the tables of two months of 2031, which the test creates."""
    yield
    for month in ("2031_01", "2031_02"):
        await database.rows(f"DROP TABLE IF EXISTS agent_session_history_{month}")


async def test_months_are_prepared_once(database: Database):
    before = await database.rows("SELECT inhrelid FROM pg_inherits ORDER BY 1")
    await database.rows(PREPARE, 3)
    await database.rows(PREPARE, 3)
    assert await database.rows("SELECT inhrelid FROM pg_inherits ORDER BY 1") == before


async def test_entries_of_a_month_nobody_prepared_move_to_their_place(
    database: Database, emptied_months
):
    await database.rows(
        "INSERT INTO agent_session_history (session_id, version, at, kind, epoch, source)"
        " VALUES (gen_random_uuid(), 1, '2031-01-15 12:00+00', 'created', 0, 'agent')"
    )
    assert await database.one("SELECT count(*) FROM agent_session_history_default") == 1
    await database.rows("SELECT agent_session_history_partition('2031-01-01')")
    assert await database.one("SELECT count(*) FROM agent_session_history_default") == 0
    assert await database.one("SELECT count(*) FROM agent_session_history_2031_01") == 1
    await database.rows("SELECT agent_session_history_partition('2031-02-01')")
    assert await database.one("SELECT count(*) FROM agent_session_history") == 1


@pytest.mark.parametrize(
    "order",
    [
        "UPDATE {table} SET actor = 'someone'",
        "DELETE FROM {table}",
        "TRUNCATE {table}",
    ],
)
@pytest.mark.parametrize(
    "table", ["agent_session_history", "agent_session_history_default", "this_month"]
)
async def test_the_history_stays_as_it_was_written(
    manager: SessionManager, database: Database, order: str, table: str
):
    await manager.create_session("grader", "u")
    if table == "this_month":
        table = await database.one("SELECT 'agent_session_history_' || to_char(now(), 'YYYY_MM')")
    elif table.endswith("default"):
        await database.rows(
            "INSERT INTO agent_session_history (session_id, version, at, kind, epoch, source)"
            " VALUES (gen_random_uuid(), 1, '2041-01-15 12:00+00', 'created', 0, 'agent')"
        )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        await database.rows(order.format(table=table))


async def test_beats_of_days_ago_are_forgotten_and_newer_ones_kept(
    database: Database, database_url: str, valkey_url: str, redis_client
):
    now = await database.one("SELECT extract(epoch FROM now())::float8") * 1000
    await redis_client.zadd(KEYS.heartbeats, {"old": now - 3 * 86_400_000, "new": now})
    leader = Leader(lambda: {"conninfo": database_url})
    await leader.acquire()
    valkey = DeferredClient(valkey_url)
    assert await forget_beats(leader, valkey, "breakpilot") == 1
    await valkey.aclose()
    await leader.release()
    assert await redis_client.zrange(KEYS.heartbeats, 0, -1) == [b"new"]


async def test_a_chore_comes_when_it_is_due_and_one_that_fails_keeps_the_next_from_nothing():
    done: list[str] = []

    async def fails() -> None:
        done.append("fails")
        raise psycopg.errors.LockNotAvailable("held")

    async def works() -> None:
        done.append("works")

    maintenance = WatchdogMaintenance([Chore("fails", 60, fails), Chore("works", 10, works)])
    for second in (100.0, 105.0, 110.0, 160.0):
        await maintenance.tick(second)
    assert done == ["fails", "works", "works", "fails", "works"]

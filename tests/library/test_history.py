"""The history: written in each change's transaction, immutable; counts and notifications."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from agent_sessions import InvalidTransition, SessionManager
from tests.library.conftest import Make
from tests.library.old_agent import OldAgent
from tests.library.people import OLGA, Sql, history, row, rows
from tests.library.replay import replayed, states_that_history_allows
from tests.support.waiting import HANGS

COMPARING = "SELECT proconfig FROM pg_proc WHERE proname = 'agent_session_after_update'"
TRUTH = (
    "SELECT agent_type, state, count(*)::int AS n FROM agent_sessions GROUP BY 1, 2 ORDER BY 1, 2"
)
COUNTS = """
SELECT agent_type, state, sum(n)::int AS n FROM agent_session_counts
GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2
"""


async def test_every_change_says_who_what_why_and_through_what(
    durable: SessionManager, sql: Sql
) -> None:
    session = await durable.create_session("grader", context={"a": {"b": 1}})
    session.context["a"]["b"] = 2
    session.checkpoint("essay_marked")
    await durable.update_session(session)
    await durable.pause(session.session_id, source="page", **OLGA)
    await durable.acknowledge(session.session_id, 3)
    await durable.edit(session.session_id, context={"a": {"b": 3}}, source="admin", **OLGA)
    await sql.execute("UPDATE agent_sessions SET state = 'active'")
    told = [
        (e["kind"], e["from_state"], e["to_state"], e["checkpoint_name"], e["paths"], e["actor"],
         e["reason"], e["source"])
        for e in await history(sql, session.session_id)
    ]  # fmt: skip
    why = OLGA["reason"]
    assert told == [
        ("created", None, "active", None, None, "grader", None, "agent"),
        ("checkpoint", "active", "active", "essay_marked", ["a.b"], "grader", None, "agent"),
        ("order", "active", "paused", "session_paused", None, "olga", why, "page"),
        ("acknowledged", "paused", "paused", None, None, "grader", None, "agent"),
        ("edit", "paused", "paused", None, ["a.b"], "olga", why, "admin"),
        ("order", "paused", "active", "session_resumed", None, "postgres", None, "sql"),
    ]
    entries = await history(sql, session.session_id)
    assert replayed(entries)[0] == (await row(sql, session.session_id))["version"]
    states_that_history_allows(entries)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE agent_session_history SET actor = 'nobody'",
        "DELETE FROM agent_session_history",
        "TRUNCATE agent_session_history",
        "TRUNCATE agent_session_history_default",
        "UPDATE {month} SET actor = 'nobody'",
        "DELETE FROM {month}",
        "TRUNCATE {month}",
    ],
)
async def test_nobody_rewrites_it(durable: SessionManager, sql: Sql, statement: str) -> None:
    session = await durable.create_session("grader")
    month = f"agent_session_history_{datetime.now(UTC):%Y_%m}"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        await sql.execute(statement.format(month=month))
    assert len(await history(sql, session.session_id)) == 1


async def test_it_is_written_in_the_same_transaction(durable: SessionManager, sql: Sql) -> None:
    session = await durable.create_session("grader")
    with pytest.raises(RuntimeError):
        async with sql.transaction():
            await sql.execute("UPDATE agent_sessions SET state = 'paused'")
            assert len(await history(sql, session.session_id)) == 2
            raise RuntimeError
    assert len(await history(sql, session.session_id)) == 1
    assert (await row(sql, session.session_id))["state"] == "active"


async def test_each_month_has_its_partition_and_none_loses_what_came_early(
    durable: SessionManager, sql: Sql
) -> None:
    session = await durable.create_session("grader")
    [place] = await rows(sql, "SELECT tableoid::regclass::text AS t FROM agent_session_history")
    assert place["t"] == f"agent_session_history_{datetime.now(UTC):%Y_%m}"
    async with sql.transaction(force_rollback=True):
        await sql.execute(
            "INSERT INTO agent_session_history (session_id, version, at, kind, epoch, source)"
            " VALUES (%s, 2, '2077-05-31 23:59:59+00', 'order', 0, 'agent')",
            (session.session_id,),
        )
        await sql.execute("SELECT agent_session_history_partition('2077-05-17')")
        await sql.execute("SELECT agent_session_history_partition('2077-05-01')")
        places = await rows(
            sql, "SELECT tableoid::regclass::text AS t FROM agent_session_history ORDER BY version"
        )
        assert [p["t"] for p in places] == [place["t"], "agent_session_history_2077_05"]


async def test_a_whole_month_can_be_dropped(durable: SessionManager, sql: Sql) -> None:
    async with sql.transaction(force_rollback=True):
        await sql.execute("SELECT agent_session_history_partition('2070-01-01')")
        await sql.execute("DROP TABLE agent_session_history_2070_01")


# --- counts --------------------------------------------------------------------------------------------------
async def test_counts_equal_the_truth_under_concurrent_writers(another: Make, sql: Sql) -> None:
    managers = [await another() for _ in range(3)]
    choice = random.Random(7)
    sessions = await asyncio.gather(
        *(managers[n % 3].create_session(choice.choice(["tutor", "grader"])) for n in range(60))
    )

    at_once = asyncio.Semaphore(20)  # limits the wait for a connection of the pool

    async def act(session_id: str) -> None:
        manager = choice.choice(managers)
        verb = choice.choice(["pause", "resume", "complete", "fail", "delete"])
        async with at_once:
            try:
                await getattr(manager, verb)(
                    session_id, *(["why"] if verb == "fail" else []), **OLGA
                )
            except InvalidTransition:
                pass  # another one came first

    await asyncio.gather(*(act(choice.choice(sessions).session_id) for _ in range(200)))
    old = OldAgent(sql)
    await old.create("alert")
    await sql.execute("UPDATE agent_sessions SET state = 'deleted' WHERE state = 'failed'")
    await sql.execute(
        "UPDATE agent_sessions SET agent_type = 'orchestrator' WHERE state = 'paused'"
    )
    await sql.execute("DELETE FROM agent_sessions WHERE state = 'deleted'")
    assert await rows(sql, COUNTS) == await rows(sql, TRUTH)


async def test_removing_a_row_for_good_leaves_its_history(
    durable: SessionManager, sql: Sql
) -> None:
    session = await durable.create_session("grader")
    await sql.execute("DELETE FROM agent_sessions")
    assert [e["kind"] for e in await history(sql, session.session_id)] == ["created", "purged"]
    assert await durable.get_session(session.session_id) is None
    assert await durable.get_checkpoints(session.session_id) == []


# --- notifications -------------------------------------------------------------------------------------------
class Ear:
    def __init__(self, database_url: str) -> None:
        self._url = database_url

    async def __aenter__(self) -> Ear:
        self._sql = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        await self._sql.execute("LISTEN agent_sessions")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._sql.close()

    async def heard(self) -> list[Any]:
        """All notifications until now: waits for a marker sent after them."""
        await self._sql.execute("SELECT pg_notify('agent_sessions', 'mark')")
        payloads = []
        async for notification in self._sql.notifies(timeout=HANGS):
            if notification.payload == "mark":
                break
            payloads.append(json.loads(notification.payload))
        return payloads


async def test_one_notification_a_statement_with_ids_and_versions_only(
    another: Make, database_url: str, sql: Sql
) -> None:
    manager = await another()
    async with Ear(database_url) as ear:
        sessions = [await manager.create_session("grader", context={"x": 1}) for _ in range(3)]
        assert await ear.heard() == [[[s.session_id, 1]] for s in sessions]
        await sql.execute("UPDATE agent_sessions SET state = 'paused'")
        [together] = await ear.heard()
        assert sorted(together) == sorted([s.session_id, 2] for s in sessions)
        session = await manager.read(sessions[0].session_id)
        assert session is not None
        session.context["x"] = 2
        session.checkpoint("essay_marked")
        await manager.update_session(session)
        await manager.acknowledge(session.session_id, 2)
        assert await ear.heard() == [[[session.session_id, 3]], [[session.session_id, 4]]]


async def test_rows_that_an_upsert_touches_are_seen(
    another: Make, database_url: str, sql: Sql
) -> None:
    old = OldAgent(sql)
    async with Ear(database_url) as ear:
        session_id = await old.create()
        old.checkpoint("turn")
        await old.save()
        assert await ear.heard() == [[[session_id, 1]], [[session_id, 2]]]
        await old.save()
        assert await ear.heard() == [], "only its heartbeat"


async def test_a_bare_heartbeat_and_a_refreshed_array_notify_nobody(
    another: Make, database_url: str, sql: Sql
) -> None:
    manager = await another(flush_seconds=3600)
    sessions = await asyncio.gather(*(manager.create_session("grader") for _ in range(20)))
    async with Ear(database_url) as ear:
        for session in sessions:
            await manager.heartbeat(session.session_id)
        before = (await row(sql, sessions[0].session_id))["last_heartbeat"]
        await manager.tick()
        assert (await row(sql, sessions[0].session_id))["last_heartbeat"] > before
        assert await ear.heard() == []
        for n in range(60):
            sessions[0].checkpoint("essay_marked", {"n": n})
            await manager.update_session(sessions[0])
        assert [v for [[_, v]] in await ear.heard()] == list(range(2, 62))


async def test_a_large_statement_is_told_in_parts_that_fit(
    another: Make, database_url: str, sql: Sql
) -> None:
    manager = await another()
    await asyncio.gather(*(manager.create_session("grader") for _ in range(450)))
    async with Ear(database_url) as ear:
        await sql.execute("UPDATE agent_sessions SET state = 'paused'")
        parts = await ear.heard()
        assert [len(part) for part in parts] == [100, 100, 100, 100, 50]
        assert len({session_id for part in parts for session_id, _ in part}) == 450


async def test_what_a_statement_changed_is_never_compared_with_every_row_it_touched(
    durable: SessionManager, sql: Sql
) -> None:
    """Redefining the function drops the setting: ten thousand heartbeats would take twelve seconds."""
    found = await rows(sql, COMPARING)
    assert ["enable_nestloop=off" in one["proconfig"] for one in found] == [True]

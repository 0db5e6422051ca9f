"""The array that old agents read: compressed, and updated when a hundred checkpoints are missing."""

from __future__ import annotations

import json
from typing import Any

from agent_sessions import AgentSession, SessionManager
from agent_sessions.checkpoints import compress
from tests.library.conftest import Make
from tests.library.people import OLGA, Sql, row, rows

EVERY = (
    "SELECT name, n, data, metadata FROM agent_session_checkpoints WHERE session_id = %s ORDER BY n"
)


async def work(manager: SessionManager, session: AgentSession, steps: range) -> None:
    for n in steps:
        name = "plan_made" if n % 70 == 0 else "essay_marked"
        session.checkpoint(name, {"n": n}).metadata = {"model": "m1"} if n % 2 else {}
        await manager.update_session(session)


async def shown(sql: Sql, session_id: str) -> list[tuple[str, str, Any, Any]]:
    array = (await row(sql, session_id))["checkpoints"]
    return [(c["name"], c["id"], c["data"], c.get("metadata", {})) for c in array]


async def expected(manager: SessionManager, sql: Sql, session_id: str) -> list[tuple[Any, ...]]:
    """The checkpoints that the array must hold, by the rule of compression."""
    through = (await row(sql, session_id))["checkpoints_through"]
    kept = compress(await manager.get_checkpoints(session_id, limit=through))
    stored = {r["n"]: r for r in await rows(sql, EVERY, session_id)}
    return [(c.name, c.id, stored[c.n or 0]["data"], stored[c.n or 0]["metadata"]) for c in kept]


async def test_it_holds_what_compression_keeps_of_the_record(
    durable: SessionManager, sql: Sql
) -> None:
    session = await durable.create_session("grader")
    await work(durable, session, range(210))
    array = await shown(sql, session.session_id)
    assert array == await expected(durable, sql, session.session_id)
    assert (await row(sql, session.session_id))["checkpoints_through"] == 201
    assert [c[0] for c in array[:3]] == ["session_created", "plan_made", "essay_marked"]
    assert len(array) == 22
    assert session.version == (await row(sql, session.session_id))["version"], "it is no change"


async def test_it_is_right_though_nobody_s_copy_knows_all_that_was_stored(
    another: Make, sql: Sql
) -> None:
    one, two = await another(), await another()
    mine = await one.create_session("grader")
    theirs = await two.get_session(mine.session_id)
    assert theirs is not None
    for n in range(0, 120, 2):
        await work(one, mine, range(n, n + 1))
        await work(two, theirs, range(n + 1, n + 2))
    assert (await row(sql, mine.session_id))["checkpoints_through"] >= 101
    assert await shown(sql, mine.session_id) == await expected(one, sql, mine.session_id)


async def test_entries_of_an_older_agent_stay_in_it_and_their_words_are_kept(
    durable: SessionManager, sql: Sql
) -> None:
    session = await durable.create_session("grader")
    array = (await row(sql, session.session_id))["checkpoints"]
    theirs = {"name": "old_step", "timestamp": "2026-11-20T10:00:00+00:00", "data": {"n": -1}}
    await sql.execute(
        "UPDATE agent_sessions SET checkpoints = %s, updated_at = now(), last_heartbeat = now() WHERE id = %s",
        (json.dumps([*array, theirs]), session.session_id),
    )
    current = await durable.get_session(session.session_id)
    assert current is not None
    await work(durable, current, range(130))
    kept = {(name, json.dumps(data)) for name, _, data, _ in await shown(sql, session.session_id)}
    assert ("old_step", '{"n": -1}') in kept
    assert len(await shown(sql, session.session_id)) == 23


async def test_it_keeps_what_the_copy_of_its_writer_lacks(
    durable: SessionManager, sql: Sql
) -> None:
    """Sessions of a list have their last checkpoint only; the array must keep the others."""
    session = await durable.create_session("grader")
    for name in ("plan_made", "rubric_read", "session_checked"):
        session.checkpoint(name, {})
        await durable.update_session(session)
    await durable.pause(session.session_id, **OLGA)
    await durable.resume(session.session_id, **OLGA)
    [listed] = await durable.get_active_sessions()
    assert len(listed.checkpoints) == 1
    await work(durable, listed, range(1, 120))
    array = await shown(sql, session.session_id)
    assert (await row(sql, session.session_id))["checkpoints_through"] > 100
    assert array == await expected(durable, sql, session.session_id)
    assert [c[0] for c in array[:3]] == ["session_created", "rubric_read", "session_checked"]

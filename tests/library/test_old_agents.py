"""Old agents keep working, and cannot undo what administrators or other writers did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
import redis.asyncio

from agent_sessions import SessionManager
from tests.library.old_agent import OldAgent
from tests.library.people import OLGA, OTTO, Sql, history, names, row


@pytest.fixture
async def old(sql: Sql, redis_client: redis.asyncio.Redis) -> OldAgent:
    return OldAgent(sql, redis_client)


async def test_an_old_agent_s_session_is_live_for_us(
    manager: SessionManager, old: OldAgent
) -> None:
    session_id = await old.create("tutor", question="wo?")
    session = await manager.get_session(session_id)
    assert session is not None
    assert (session.agent_type, session.user_id, session.state) == ("tutor", "emre", "active")
    assert session.context == {"question": "wo?"}
    old.cache["context"]["question"] = "und in Enschede?"
    old.checkpoint("turn", n=1)
    await old.save()
    session = await manager.get_session(session_id)
    assert session is not None
    assert session.context == {"question": "und in Enschede?"}
    assert [c.n for c in session.checkpoints] == [1, 2]
    assert await names(manager, session_id) == ["session_created", "turn"]


async def test_it_may_insert_and_upsert_naming_only_its_nine_columns(
    old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create()
    await old.save()
    stored = await row(sql, session_id)
    assert (stored["version"], stored["change_source"]) == (1, "old-agent")
    assert stored["metadata"] == {} and stored["checkpoint_count"] == 1


@pytest.mark.parametrize("verb", ["pause", "complete", "fail", "delete", "rollback"])
async def test_its_stale_active_does_not_undo_an_order(
    manager: SessionManager, old: OldAgent, sql: Sql, verb: str
) -> None:
    session_id = await old.create(a=1)
    given: dict[str, list[Any]] = {"fail": ["why"], "rollback": [1]}
    arguments = given.get(verb, [])
    if verb == "rollback":
        # otherwise its `active` would be what the rollback orders
        await manager.pause(session_id, **OLGA)
    ordered = await getattr(manager, verb)(session_id, *arguments, **OLGA)
    before = await row(sql, session_id)
    old.cache["context"]["a"] = 2
    old.cache["state"] = "paused" if verb == "rollback" else "active"
    old.checkpoint("essay_marked", essay=5)
    await old.save()
    stored = await row(sql, session_id)
    assert stored["state"] == ordered.state
    assert stored["order_verb"] == verb and stored["order_actor"] == "olga"
    assert stored["refused_writes"] == 1
    last = (await history(sql, session_id))[-1]
    assert (last["kind"], last["source"]) == ("refused", "old-agent")
    assert last["detail"]["refused"]["state"] == old.cache["state"]
    assert "essay_marked" in await names(manager, session_id), "its checkpoint is kept"
    if verb == "pause":
        assert stored["context"] == {"a": 2}, "the step that was being finished"
        assert stored["last_heartbeat"] > before["last_heartbeat"]
    else:
        assert stored["context"] == before["context"]
        assert last["detail"]["refused"]["paths"] == ["a"]
    if verb in ("complete", "fail", "delete"):
        assert stored["last_heartbeat"] == before["last_heartbeat"], "a beat after the end"


async def test_a_pause_after_a_rollback_does_not_let_in_who_missed_the_rollback(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create(a=1)
    ours = await manager.get_session(session_id)
    assert ours is not None
    rolled = await manager.rollback(session_id, 1, **OLGA)
    await manager.pause(session_id, **OTTO)
    await manager.resume(session_id, **OTTO)
    await manager.acknowledge(session_id, rolled.version + 2)
    old.cache["state"] = "completed"
    old.cache["context"]["a"] = 2
    await old.save()
    stored = await row(sql, session_id)
    assert (stored["state"], stored["context"], stored["refused_writes"]) == ("active", {"a": 1}, 1)
    await old.load(session_id)
    old.cache["context"]["a"] = 3
    await old.save()
    assert (await row(sql, session_id))["context"] == {"a": 3}, "who starts again is taken"


async def test_the_same_refused_write_with_every_beat_is_one_entry_and_a_counter_that_goes_on(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create()
    await manager.pause(session_id, **OLGA)
    for _ in range(5):
        await old.save()
    assert (await row(sql, session_id))["refused_writes"] == 5
    kinds = [entry["kind"] for entry in await history(sql, session_id)]
    assert kinds == ["created", "order", "refused"]


async def test_it_may_end_a_session_that_was_paused(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create()
    await manager.pause(session_id, **OLGA)
    old.cache["state"] = "completed"
    old.checkpoint("session_completed", result=None)
    await old.save()
    stored = await row(sql, session_id)
    assert (stored["state"], stored["refused_writes"]) == ("completed", 0)
    assert stored["ended_at"] is not None


async def test_it_obeys_an_order_by_loading_the_session_again(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create()
    paused = await manager.pause(session_id, **OLGA)
    assert (await row(sql, session_id))["acknowledged_version"] == 0
    await old.load(session_id)
    old.checkpoint("turn", n=1)
    await old.save()
    stored = await row(sql, session_id)
    assert (stored["state"], stored["acknowledged_version"]) == ("paused", paused.version)
    old.cache["state"] = "active"
    await old.save()
    assert (await row(sql, session_id))["state"] == "active", "it saw the pause and resumed"


async def test_two_old_agents_and_ours_lose_no_checkpoint_of_each_other(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create()
    other = OldAgent(sql)
    await other.load(session_id)
    ours = await manager.get_session(session_id)
    assert ours is not None
    for n in range(4):
        old.checkpoint("old", n=n)
        await old.save()
        ours.checkpoint("ours", {"n": n})
        await manager.update_session(ours)
        other.checkpoint("other", n=n)
        await other.save()
    checkpoints = await manager.get_checkpoints(session_id)
    found = [(c.name, c.data["n"]) for c in checkpoints if c.name != "session_created"]
    assert sorted(found) == sorted((who, n) for who in ("old", "ours", "other") for n in range(4))
    array = (await row(sql, session_id))["checkpoints"]
    assert {(c["name"], c["data"].get("n")) for c in array} >= {("old", 3), ("other", 3)}
    read = await manager.read(session_id)
    assert read is not None
    assert len({c.id for c in read.checkpoints}) == len(read.checkpoints) == 13


async def test_what_it_did_not_change_since_its_copy_is_not_its_to_undo(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create(grades={"lea": 2}, rubric="A")
    ours = await manager.get_session(session_id)
    assert ours is not None
    ours.context["quiz"] = 1
    ours.context["grades"]["luca"] = 3
    await manager.update_session(ours)
    await manager.edit(session_id, context=ours.context | {"rubric": "B"}, **OLGA)
    old.cache["context"]["grades"]["mia"] = 1
    await old.save()
    expected: dict[str, Any] = {
        "grades": {"lea": 2, "luca": 3, "mia": 1},
        "rubric": "B",
        "quiz": 1,
    }
    assert (await row(sql, session_id))["context"] == expected
    old.cache["context"]["grades"]["mia"] = 2
    del old.cache["context"]["grades"]["lea"]
    await old.save()
    expected["grades"] = {"luca": 3, "mia": 2}
    assert (await row(sql, session_id))["context"] == expected


async def test_what_it_read_from_us_and_did_not_change_is_not_its_to_undo_either(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session = await manager.create_session("grader", context={"a": 1, "rubric": "A"})
    await old.load(session.session_id)
    for rubric in ("B", "C"):
        session.context["rubric"] = rubric
        await manager.update_session(session)
    old.cache["context"]["a"] = 2
    await old.save()
    assert (await row(sql, session.session_id))["context"] == {"a": 2, "rubric": "C"}


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(days=-400)])
async def test_a_clock_that_is_wrong_stores_each_checkpoint_once(
    manager: SessionManager, sql: Sql, ahead: timedelta
) -> None:
    old = OldAgent(sql, clock_ahead=ahead)
    session_id = await old.create()
    for n in range(4):
        old.checkpoint("turn", n=n)
        await old.save()
    checkpoints = await manager.get_checkpoints(session_id)
    assert [c.data.get("n") for c in checkpoints] == [None, 0, 1, 2, 3]
    stored = await row(sql, session_id)
    assert len(stored["checkpoints"]) == 5
    [now] = await (await sql.execute("SELECT now()")).fetchone() or [None]
    assert now is not None
    assert stored["last_heartbeat"] <= now and all(c.timestamp <= now for c in checkpoints)
    read = await manager.read(session_id)
    assert read is not None
    assert [c.n for c in read.checkpoints] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "time", [None, "", "gestern", 5, "2025-99-99T00:00:00", "0001-01-01T00:00"]
)
async def test_a_checkpoint_whose_time_is_no_time_is_stored_once(
    manager: SessionManager, old: OldAgent, time: Any
) -> None:
    session_id = await old.create()
    old.cache["checkpoints"].append({"name": "turn", "timestamp": time, "data": {"n": 1}})
    for _ in range(3):
        await old.save()
    assert await names(manager, session_id) == ["session_created", "turn"]
    assert await manager.read(session_id) is not None


async def test_its_nonsense_is_refused_with_a_hint(old: OldAgent, sql: Sql) -> None:
    await old.create()
    old.cache["state"] = "sleeping"
    with pytest.raises(psycopg.errors.CheckViolation, match="unknown session state 'sleeping'"):
        await old.save()

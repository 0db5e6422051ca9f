"""Contexts of old agents: their own changes are stored, changes of others stay."""

from __future__ import annotations

from typing import Any

import pytest

from agent_sessions import SessionManager
from tests.library.old_agent import OldAgent
from tests.library.people import OLGA, Sql, history, row


@pytest.fixture
async def old(sql: Sql) -> OldAgent:
    return OldAgent(sql)


async def context_of(sql: Sql, session_id: str) -> dict[str, Any]:
    stored: dict[str, Any] = (await row(sql, session_id))["context"]
    return stored


async def writes(old: OldAgent, context: dict[str, Any], *, checkpoint: bool = False) -> None:
    old.cache["context"] = context
    if checkpoint:
        old.checkpoint("turn")
    await old.save()


SET_BACK: dict[str, list[dict[str, Any]]] = {
    "a value": [{"status": "idle"}, {"status": "busy"}, {"status": "idle"}],
    "a list": [{"queue": []}, {"queue": [1]}, {"queue": []}],
    "a key": [{}, {"note": 1}, {}],
    "a key inside": [{"at": {}}, {"at": {"essay": 1}}, {"at": {}}],
    "a value beside another": [{"s": "idle", "n": 1}, {"s": "busy", "n": 1}, {"s": "idle", "n": 2}],
    "one key for another": [{"a": 1}, {"a": 1, "b": 1}, {"a": 1, "c": 1}],
    "everything": [{"a": 1, "b": {"c": 1}}, {}, {"a": 1, "b": {"c": 1}}],
}


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("steps", SET_BACK.values(), ids=SET_BACK)
@pytest.mark.parametrize("creator", ["itself", "ours"])
async def test_what_it_sets_back_is_set_back(
    manager: SessionManager,
    old: OldAgent,
    sql: Sql,
    steps: list[dict[str, Any]],
    creator: str,
    checkpoint: bool,
) -> None:
    if creator == "itself":
        session_id = await old.create(**steps[0])
    else:
        session_id = (await manager.create_session("grader", context=steps[0])).session_id
        await old.load(session_id)
    for _ in range(3):
        for context in steps[1:]:
            await writes(old, context, checkpoint=checkpoint)
            assert await context_of(sql, session_id) == context
    assert (await row(sql, session_id))["refused_writes"] == 0


async def test_what_it_sets_back_after_a_start_of_its_own_is_set_back(
    old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create(status="idle", queue=[])
    await writes(old, {"status": "busy", "queue": [1]})
    again = OldAgent(sql)
    await again.load(session_id)
    await writes(again, {"status": "idle", "queue": []})
    assert await context_of(sql, session_id) == {"status": "idle", "queue": []}


async def test_what_it_sets_back_after_an_edit_elsewhere_is_set_back_and_the_edit_stays(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create(status="idle", rubric="A")
    await writes(old, {"status": "busy", "rubric": "A"})
    await manager.edit(session_id, context={"status": "busy", "rubric": "B"}, **OLGA)
    await writes(old, {"status": "idle", "rubric": "A"})
    assert await context_of(sql, session_id) == {"status": "idle", "rubric": "B"}
    await manager.edit(session_id, context={"status": "idle", "rubric": "C"}, **OLGA)
    again = OldAgent(sql)
    await again.load(session_id)
    await manager.edit(session_id, context={"status": "idle", "rubric": "D"}, **OLGA)
    again.cache["context"]["status"] = "busy"
    await again.save()
    assert await context_of(sql, session_id) == {"status": "busy", "rubric": "D"}
    assert (await row(sql, session_id))["refused_writes"] == 0


async def test_after_a_pause_and_a_start_of_its_own_it_may_set_back(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create(status="idle")
    await writes(old, {"status": "busy"})
    await manager.pause(session_id, **OLGA)
    await manager.resume(session_id, **OLGA)
    again = OldAgent(sql)
    await again.load(session_id)
    await writes(again, {"status": "idle"})
    assert await context_of(sql, session_id) == {"status": "idle"}


async def store_changes(manager: SessionManager, session_id: str, count: int = 60) -> None:
    ours = await manager.get_session(session_id)
    assert ours is not None
    for n in range(count):
        ours.context["n"] = n
        ours.checkpoint("essay_marked", {"n": n})
        await manager.update_session(ours)


@pytest.mark.parametrize("creator", ["itself", "ours"])
async def test_however_many_changes_came_after_it_read_it_undoes_none(
    manager: SessionManager, old: OldAgent, sql: Sql, creator: str
) -> None:
    start: dict[str, Any] = {"rubric": "A", "n": 0, "grades": {"lea": 2, "mia": 1}}
    if creator == "itself":
        session_id = await old.create(**start)
    else:
        session_id = (await manager.create_session("grader", context=start)).session_id
        await old.load(session_id)
    edited = {"rubric": "B", "n": 0, "grades": {"lea": 3}, "hint": "new"}
    await manager.edit(session_id, context=edited, **OLGA)
    await store_changes(manager, session_id)
    old.cache["context"]["own"] = 1
    await old.save()
    expected: dict[str, Any] = edited | {"n": 59, "own": 1}
    assert await context_of(sql, session_id) == expected
    await store_changes(manager, session_id)
    old.cache["context"]["own"] = 2
    old.cache["context"]["grades"]["lea"] = 1
    await old.save()
    expected = expected | {"own": 2, "grades": {"lea": 1}}
    assert await context_of(sql, session_id) == expected
    assert (await row(sql, session_id))["refused_writes"] == 0


async def test_a_value_that_it_has_read_between_two_edits_is_not_its_own(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = (await manager.create_session("grader", context={"rubric": "A"})).session_id
    await manager.edit(session_id, context={"rubric": "B"}, **OLGA)
    await old.load(session_id)
    await manager.edit(session_id, context={"rubric": "C"}, **OLGA)
    old.cache["context"]["own"] = 1
    await old.save()
    assert await context_of(sql, session_id) == {"rubric": "C", "own": 1}


async def test_two_beside_each_other_keep_each_other_s_keys(old: OldAgent, sql: Sql) -> None:
    session_id = await old.create(start=1)
    other = OldAgent(sql)
    await other.load(session_id)
    expected: dict[str, Any] = {"start": 1}
    for n in range(60):
        for agent, name in ((old, "old"), (other, "other")):
            agent.cache["context"][name] = expected[name] = n
            if n % 3 == 0:
                agent.checkpoint(name, n=n)
            await agent.save()
            await agent.save()
            assert await context_of(sql, session_id) == expected
    assert await context_of(sql, session_id) == {"start": 1, "old": 59, "other": 59}
    del other.cache["context"]["other"]
    await other.save()
    assert await context_of(sql, session_id) == {"start": 1, "old": 59}
    again = OldAgent(sql)
    await again.load(session_id)
    await writes(again, {"start": 2, "old": 59}, checkpoint=True)
    await writes(old, {"start": 1, "old": 60})
    assert await context_of(sql, session_id) == {"start": 2, "old": 60}


async def test_one_that_removes_a_part_leaves_what_others_put_into_it(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create(grades={"lea": 2}, notes={"lea": "late"})
    edited = {"grades": {"lea": 2, "mia": 1}}
    await manager.edit(session_id, context=edited, **OLGA)
    await writes(old, {"notes": {"lea": "late", "mia": "ill"}})
    expected = {"grades": {"mia": 1}, "notes": {"mia": "ill"}}
    assert await context_of(sql, session_id) == expected


async def test_one_that_shows_nothing_of_what_it_read_adds_and_takes_nothing_away(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    start = {"status": "idle", "grades": {"lea": 2}, "gone": 1}
    session = await manager.create_session("grader", context=start)
    await old.load(session.session_id)
    old.cache["checkpoints"] = []
    wrote = {"status": "busy", "grades": {"mia": 1}, "own": 1}
    for _ in range(3):
        await writes(old, dict(wrote))
    stored = await row(sql, session.session_id)
    assert stored["context"] == start | {"own": 1, "grades": {"lea": 2, "mia": 1}}
    assert stored["refused_writes"] == 1
    last = (await history(sql, session.session_id))[-1]
    assert (last["kind"], last["source"]) == ("refused", "old-agent")
    assert last["detail"]["refused"]["paths"] == ["gone", "grades", "status"]
    await writes(old, wrote | {"status": "done", "own": 2})
    stored = await row(sql, session.session_id)
    assert (stored["context"]["status"], stored["context"]["own"]) == ("done", 2)
    assert stored["refused_writes"] == 1, "now its last write is known"


async def test_an_array_without_checkpoints_shows_what_was_there_before_the_first(
    old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create(status="idle")
    await sql.execute("DELETE FROM agent_sessions WHERE id = %s", (session_id,))
    old.cache["checkpoints"] = []
    await old.save()
    for status in ("busy", "idle", "busy", "idle"):
        await writes(old, {"status": status})
        assert await context_of(sql, session_id) == {"status": status}


async def test_checkpoints_of_one_name_and_time_do_not_hide_what_was_read(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create(status="idle")
    twice = {"name": "turn", "timestamp": old.now(), "data": {}}
    old.cache["checkpoints"] += [twice, twice | {"data": {"n": 2}}]
    await writes(old, {"status": "busy"})
    await manager.edit(session_id, context={"status": "busy", "rubric": "B"}, **OLGA)
    await writes(old, {"status": "idle"}, checkpoint=True)
    await writes(old, {"status": "idle", "n": 1})
    assert await context_of(sql, session_id) == {"status": "idle", "rubric": "B", "n": 1}


async def test_an_agent_that_shortens_its_array_is_known_again(
    manager: SessionManager, old: OldAgent, sql: Sql
) -> None:
    session_id = await old.create(status="idle")
    for n in range(8):
        await manager.edit(session_id, context={"status": "idle", "rubric": n}, **OLGA)
        await writes(old, {"status": "busy" if n % 2 else "idle", "n": n}, checkpoint=True)
        old.cache["checkpoints"] = old.cache["checkpoints"][-2:]
        expected = {"status": "busy" if n % 2 else "idle", "n": n, "rubric": n}
        assert await context_of(sql, session_id) == expected

"""An edit is a difference to the loaded value, applied to the current one."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from agent_sessions import AgentSession, Conflict, EditConflict, InvalidInput, SessionManager
from tests.library.conftest import Make
from tests.library.people import OLGA, OTTO, Sql, history, row


async def agent_writes(manager: SessionManager, session_id: str, **context: Any) -> None:
    session = await manager.read(session_id)
    assert session is not None
    session.context.update(context)
    session.checkpoint("turn", {})
    await manager.update_session(session)


async def stored(manager: SessionManager, session: AgentSession) -> AgentSession:
    found = await manager.read(session.session_id)
    assert found is not None
    return found


async def test_what_the_agent_wrote_meanwhile_stays_and_what_was_edited_is_there(
    anywhere: SessionManager,
) -> None:
    made = await anywhere.create_session("tutor", context={"skill": "fractions", "turns": [1]})
    await agent_writes(anywhere, made.session_id, turns=[1, 2], position=7)
    await agent_writes(anywhere, made.session_id, turns=[1, 2, 3])
    wanted = {"skill": "decimals", "turns": [1], "note": "slower"}
    await anywhere.edit(made.session_id, context=wanted, seen_version=made.version, **OLGA)
    assert (await stored(anywhere, made)).context == {
        "skill": "decimals",
        "turns": [1, 2, 3],
        "position": 7,
        "note": "slower",
    }


async def test_what_was_removed_in_the_edit_is_removed_and_nothing_else(
    anywhere: SessionManager,
) -> None:
    made = await anywhere.create_session("tutor", context={"a": 1, "deep": {"b": 1, "c": 1}})
    await agent_writes(anywhere, made.session_id, deep={"b": 1, "c": 1, "d": 1})
    wanted = {"a": 1, "deep": {"c": 1}}
    await anywhere.edit(made.session_id, context=wanted, seen_version=1, **OLGA)
    assert (await stored(anywhere, made)).context == {"a": 1, "deep": {"c": 1, "d": 1}}


async def test_the_same_path_is_a_conflict_that_shows_all_three_values_and_who_wrote(
    anywhere: SessionManager,
) -> None:
    made = await anywhere.create_session("tutor", context={"skill": "a", "deep": {"x": 1}})
    await anywhere.edit(made.session_id, context={"skill": "b", "deep": {"x": 1}}, **OTTO)
    await agent_writes(anywhere, made.session_id, position=1)
    wanted = {"skill": "c", "deep": {"x": 2}}
    with pytest.raises(EditConflict) as caught:
        await anywhere.edit(made.session_id, context=wanted, seen_version=1, **OLGA)
    [conflict] = caught.value.conflicts
    assert (conflict.part, conflict.path) == ("context", ("skill",))
    assert (conflict.loaded, conflict.now, conflict.mine) == ("a", "b", "c")
    assert conflict.actor == "otto"
    assert "otto" in str(caught.value)
    assert "skill" in str(caught.value)
    now = await stored(anywhere, made)
    assert (now.context["skill"], now.context["deep"]) == ("b", {"x": 1}), "not even a part of it"


async def test_several_conflicts_name_their_own_writers(anywhere: SessionManager) -> None:
    made = await anywhere.create_session("tutor", context={"skill": "a", "position": 1})
    await anywhere.edit(made.session_id, context={"skill": "b", "position": 1}, **OTTO)
    await agent_writes(anywhere, made.session_id, position=2)
    wanted = {"skill": "c", "position": 3}
    with pytest.raises(EditConflict) as caught:
        await anywhere.edit(made.session_id, context=wanted, seen_version=1, **OLGA)
    writers = {conflict.name: conflict.actor for conflict in caught.value.conflicts}
    assert writers == {"skill": "otto", "position": "tutor"}


async def test_a_rollback_meanwhile_is_named_as_the_writer(anywhere: SessionManager) -> None:
    made = await anywhere.create_session("tutor", context={"skill": "a"})
    await agent_writes(anywhere, made.session_id, skill="b")
    await agent_writes(anywhere, made.session_id, skill="c")
    seen = await stored(anywhere, made)
    await anywhere.rollback(made.session_id, 2, **OTTO)
    with pytest.raises(EditConflict) as caught:
        await anywhere.edit(
            made.session_id, context={"skill": "d"}, seen_version=seen.version, **OLGA
        )
    [conflict] = caught.value.conflicts
    assert (conflict.loaded, conflict.now, conflict.actor) == ("c", "b", "otto")


async def test_both_wrote_the_same_is_no_conflict(anywhere: SessionManager) -> None:
    made = await anywhere.create_session("tutor", context={"skill": "a", "old": 1})
    await anywhere.edit(made.session_id, context={"skill": "b"}, **OTTO)
    await anywhere.edit(made.session_id, context={"skill": "b"}, seen_version=1, **OLGA)
    now = await stored(anywhere, made)
    assert (now.context, now.version) == ({"skill": "b"}, 2)


@pytest.mark.parametrize(("here", "there"), [(1, True), (1, 1.0), ([1], [True]), ([1], [1, 2])])
async def test_numbers_that_python_takes_for_equal_are_not_the_same(
    manager: SessionManager, here: Any, there: Any
) -> None:
    made = await manager.create_session("tutor", context={"a": "loaded"})
    await manager.edit(made.session_id, context={"a": there}, **OTTO)
    with pytest.raises(EditConflict):
        await manager.edit(made.session_id, context={"a": here}, seen_version=1, **OLGA)


async def test_a_list_is_one_value(anywhere: SessionManager) -> None:
    made = await anywhere.create_session("tutor", context={"marks": [1, 2]})
    await agent_writes(anywhere, made.session_id, marks=[1, 2, 3])
    with pytest.raises(EditConflict) as caught:
        await anywhere.edit(made.session_id, context={"marks": [5, 2]}, seen_version=1, **OLGA)
    assert caught.value.paths == ["marks"]


async def test_metadata_is_compared_with_what_the_caller_had_loaded(
    anywhere: SessionManager,
) -> None:
    made = await anywhere.create_session("tutor", metadata={"class": "7b", "room": 1})
    await anywhere.edit(made.session_id, metadata={"class": "7b", "room": 2}, **OTTO)
    loaded = {"class": "7b", "room": 1}
    await anywhere.edit(
        made.session_id, metadata={"class": "8a", "room": 1}, seen_metadata=loaded, **OLGA
    )
    assert (await stored(anywhere, made)).metadata == {"class": "8a", "room": 2}
    with pytest.raises(EditConflict) as caught:
        await anywhere.edit(
            made.session_id, metadata={"class": "7b", "room": 3}, seen_metadata=loaded, **OTTO
        )
    [conflict] = caught.value.conflicts
    assert (conflict.part, conflict.path, conflict.actor) == ("metadata", ("room",), "otto")
    assert caught.value.paths == ["metadata.room"]


async def test_metadata_without_the_loaded_value_needs_the_newest_version(
    anywhere: SessionManager,
) -> None:
    made = await anywhere.create_session("tutor", metadata={"class": "7b"})
    await agent_writes(anywhere, made.session_id, position=1)
    with pytest.raises(EditConflict, match="not known any more") as caught:
        await anywhere.edit(made.session_id, metadata={"class": "8a"}, seen_version=1, **OLGA)
    assert caught.value.conflicts == []
    await anywhere.edit(made.session_id, metadata={"class": "8a"}, seen_version=2, **OLGA)
    assert (await stored(anywhere, made)).metadata == {"class": "8a"}


async def test_without_a_seen_version_it_replaces_what_is_there(anywhere: SessionManager) -> None:
    made = await anywhere.create_session("tutor", context={"a": 1})
    await agent_writes(anywhere, made.session_id, b=1)
    await anywhere.edit(made.session_id, context={"a": 2}, **OLGA)
    assert (await stored(anywhere, made)).context == {"a": 2}


async def test_any_version_between_two_contexts_stands_for_the_older(
    anywhere: SessionManager,
) -> None:
    """The caller saw a version that did not change the context."""
    made = await anywhere.create_session("tutor", context={"skill": "a", "position": 1})
    await agent_writes(anywhere, made.session_id, position=2)
    await anywhere.pause(made.session_id, **OTTO)
    await anywhere.resume(made.session_id, **OTTO)
    await agent_writes(anywhere, made.session_id, position=3)
    wanted = {"skill": "b", "position": 2}
    await anywhere.edit(made.session_id, context=wanted, seen_version=3, **OLGA)
    assert (await stored(anywhere, made)).context == {"skill": "b", "position": 3}


async def test_the_history_names_the_paths_that_were_changed(
    durable: SessionManager, sql: Sql
) -> None:
    made = await durable.create_session("tutor", context={"skill": "a"}, metadata={"x": 1})
    await agent_writes(durable, made.session_id, position=1)
    await durable.edit(
        made.session_id,
        context={"skill": "b", "new": {"y": 1}},
        metadata={"x": 2},
        seen_version=1,
        seen_metadata={"x": 1},
        **OLGA,
    )
    entry = (await history(sql, made.session_id))[-1]
    assert (entry["kind"], entry["actor"]) == ("edit", "olga")
    assert entry["paths"] == ["skill", "new", "metadata.x"]


@pytest.mark.parametrize("seen", [0, 2, 3])
async def test_what_was_loaded_and_is_not_kept_any_more_is_said(
    durable: SessionManager, sql: Sql, seen: int
) -> None:
    """Retention removes past contexts; one from before must not be taken for the one that was loaded."""
    made = await durable.create_session("tutor", context={"skill": "a"})
    for skill in ("b", "c", "d"):
        session = await stored(durable, made)
        session.context["skill"] = skill
        await durable.update_session(session)
    await sql.execute("DELETE FROM agent_session_contexts WHERE context_version IN (2, 3)")
    with pytest.raises(EditConflict, match="not known any more") as caught:
        await durable.edit(made.session_id, context={"skill": "z"}, seen_version=seen, **OLGA)
    assert (caught.value.conflicts, caught.value.loaded_known) == ([], False)
    assert (await row(sql, made.session_id))["context"] == {"skill": "d"}


async def test_the_same_request_again_is_stored_once(anywhere: SessionManager) -> None:
    made = await anywhere.create_session("tutor", context={"skill": "a"})
    request = uuid.uuid4()
    for _ in range(2):
        await anywhere.edit(
            made.session_id, context={"skill": "b"}, seen_version=1, request_id=request, **OLGA
        )
        await agent_writes(anywhere, made.session_id, position=1)
    assert (await stored(anywhere, made)).context == {"skill": "b", "position": 1}


async def test_an_edit_that_meets_nothing_else_is_a_plain_conflict_for_who_knows_only_that(
    anywhere: SessionManager,
) -> None:
    made = await anywhere.create_session("tutor", context={"skill": "a"})
    await agent_writes(anywhere, made.session_id, skill="b")
    with pytest.raises(Conflict) as caught:
        await anywhere.edit(made.session_id, context={"skill": "c"}, seen_version=1, **OLGA)
    assert caught.value.current is not None
    assert caught.value.current.context == {"skill": "b"}


async def test_an_edit_is_tried_without_storing_anything(anywhere: SessionManager) -> None:
    made = await anywhere.create_session("tutor", context={"skill": "a", "position": 1})
    await agent_writes(anywhere, made.session_id, position=2)
    wanted = {"skill": "b", "position": 3}
    preview = await anywhere.preview_edit(made.session_id, context=wanted, seen_version=1)
    context = preview.context
    assert context is not None
    assert context.merged == {"skill": "b", "position": 2}
    assert context.mine == {"skill": "b", "position": 3}
    assert [(c.name, c.actor) for c in context.conflicts] == [("position", "tutor")]
    assert preview.session.version == 2
    assert (await stored(anywhere, made)).context == {"skill": "a", "position": 2}


async def test_an_edit_heals_what_another_manager_s_copy_shows(another: Make) -> None:
    here, there = await another(), await another()
    made = await here.create_session("tutor", context={"skill": "a"})
    await agent_writes(there, made.session_id, position=1)
    await here.edit(made.session_id, context={"skill": "b"}, seen_version=1, **OLGA)
    copy = await there.get_session(made.session_id)
    assert copy is not None
    assert copy.context == {"skill": "b", "position": 1}


async def test_what_is_too_large_only_together_is_refused(anywhere: SessionManager) -> None:
    made = await anywhere.create_session("tutor", context={})
    await agent_writes(anywhere, made.session_id, theirs="x" * 2_500_000)
    with pytest.raises(InvalidInput, match="are allowed"):
        await anywhere.edit(
            made.session_id, context={"mine": "y" * 2_500_000}, seen_version=1, **OLGA
        )
    assert list((await stored(anywhere, made)).context) == ["theirs"]


async def test_a_list_that_was_edited_is_the_one_that_the_agent_holds(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("tutor", context={"turns": ["first"], "step": 0})
    async with anywhere.attach(session.session_id, complete=False) as run:
        turns = run.context["turns"]
        await anywhere.edit(
            session.session_id, context={"turns": ["first", "edited"], "step": 0}, **OLGA
        )
        run.context["step"] = 1
        await run.checkpoint("edited meanwhile")
        turns.append("own")
        await run.checkpoint("appended")
    found = await anywhere.read(session.session_id)
    assert found is not None
    assert found.context == {"turns": ["first", "edited", "own"], "step": 1}

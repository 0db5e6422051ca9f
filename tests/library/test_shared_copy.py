"""Tasks of one agent share a copy of a session: each write is stored once."""

from __future__ import annotations

import asyncio

import pytest

from agent_sessions import Conflict, InvalidInput, SessionManager
from tests.library.people import OLGA, names


async def test_tasks_that_mark_essays_at_once_each_store_their_checkpoint(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")

    async with anywhere.attach(session.session_id, complete=False) as run:

        async def mark(essay: int) -> None:
            run.context[f"essay {essay}"] = essay
            made = await run.checkpoint("essay_marked", {"essay": essay})
            assert made.n is not None

        await asyncio.gather(*(mark(essay) for essay in range(20)))

    stored = await anywhere.read(session.session_id)
    assert stored is not None
    assert stored.context == {f"essay {essay}": essay for essay in range(20)}
    checkpoints = await anywhere.get_checkpoints(session.session_id)
    marked = [c.data["essay"] for c in checkpoints if c.name == "essay_marked"]
    assert sorted(marked) == list(range(20))
    assert [c.n for c in checkpoints] == list(range(1, len(checkpoints) + 1))


async def test_what_changes_while_a_write_is_on_its_way_is_written_next(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    session.context["first"] = 1
    saving = asyncio.create_task(anywhere.update_session(session))
    while not saving.done():
        session.context["during"] = session.context.get("during", 0) + 1
        await asyncio.sleep(0)
    await saving
    await anywhere.update_session(session)
    stored = await anywhere.read(session.session_id)
    assert stored is not None
    assert stored.context == session.context


async def test_a_dict_that_an_agent_holds_on_to_stays_part_of_the_context(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader", context={"marks": {}, "other": 0})
    mine = await anywhere.read(session.session_id)
    theirs = await anywhere.read(session.session_id)
    assert mine and theirs
    marks = mine.context["marks"]
    theirs.context["other"] = 5
    await anywhere.update_session(theirs)
    marks["a"] = 1
    await anywhere.update_session(mine)  # meets the other's change: a write on the locked row
    marks["b"] = 2
    await anywhere.update_session(mine)
    stored = await anywhere.read(session.session_id)
    assert stored is not None
    assert stored.context == {"marks": {"a": 1, "b": 2}, "other": 5} == mine.context


async def test_one_task_s_refused_checkpoint_does_not_take_another_s_with_it(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    async with anywhere.attach(session.session_id, complete=False) as run:
        results = await asyncio.gather(
            run.checkpoint("good", {"a": 1}),
            run.checkpoint("bad", {"a": float("nan")}),
            run.checkpoint("also good", {"a": 2}),
            return_exceptions=True,
        )
        assert [type(r) for r in results if isinstance(r, Exception)] == [InvalidInput]
    assert {"good", "also good"} <= set(await names(anywhere, session.session_id))
    assert "bad" not in await names(anywhere, session.session_id)


async def test_a_cancelled_checkpoint_that_is_called_again_is_stored_once(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    async with anywhere.attach(session.session_id, complete=False) as run:
        for steps in range(12):
            task = asyncio.create_task(run.checkpoint("essay_marked", {"step": steps}))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if task.cancelled():
                await run.checkpoint("essay_marked", {"step": steps})
    checkpoints = await anywhere.get_checkpoints(session.session_id)
    assert [c.data["step"] for c in checkpoints if c.name == "essay_marked"] == list(range(12))


async def test_two_copies_that_change_the_same_path_differ_openly(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader", context={"grade": {"lea": 2}})
    mine = await anywhere.read(session.session_id)
    theirs = await anywhere.read(session.session_id)
    assert mine and theirs
    theirs.context["grade"]["lea"] = 3
    await anywhere.update_session(theirs)
    mine.context["grade"]["lea"] = 1
    with pytest.raises(Conflict) as conflict:
        await anywhere.update_session(mine)
    assert conflict.value.paths == ["grade.lea"]
    assert conflict.value.current is not None
    assert conflict.value.current.context == {"grade": {"lea": 3}}
    again = await anywhere.read(session.session_id)
    assert again is not None
    again.context["grade"]["lea"] = 1
    await anywhere.update_session(again)


async def test_a_rollback_during_a_save_reaches_the_agent(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    session.checkpoint("essay_marked", {"essay": 1})
    await anywhere.update_session(session)
    copy = await anywhere.read(session.session_id)
    assert copy is not None
    await anywhere.rollback(session.session_id, 2, **OLGA)
    assert copy.epoch == session.epoch == 0

"""A copy has the version of its content, so that edits based on it meet the right conflicts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent_sessions import AgentSession, Conflict, SessionManager
from tests.library.people import OLGA, OTTO

START = {"class": "7b", "rubric": 1}


async def copy_of(manager: SessionManager) -> AgentSession:
    session = await manager.create_session("grader", context=START)
    mine = await manager.get_session(session.session_id)
    assert mine is not None
    return mine


async def edit_from(manager: SessionManager, copy: AgentSession, **more: Any) -> AgentSession:
    return await manager.edit(
        copy.session_id, context=copy.context | more, seen_version=copy.version, **OTTO
    )


@pytest.mark.parametrize("checkpoints", [1, 2])
async def test_after_a_checkpoint_an_edit_that_the_copy_does_not_show_is_not_overwritten(
    anywhere: SessionManager, checkpoints: int
) -> None:
    mine = await copy_of(anywhere)
    await anywhere.edit(mine.session_id, context=START | {"rubric": 2}, **OLGA)
    for _ in range(3):
        for n in range(checkpoints):
            mine.checkpoint("essay_marked", {"n": n})
        await anywhere.update_session(mine)
    assert mine.context == START
    with pytest.raises(Conflict):
        await edit_from(anywhere, mine, rubric=3)
    edited = await edit_from(anywhere, mine, note="x")
    assert edited.context == START | {"rubric": 2, "note": "x"}
    mine.context["own"] = 1
    await anywhere.update_session(mine)
    assert mine.context == START | {"rubric": 2, "note": "x", "own": 1}
    edited = await edit_from(anywhere, mine, rubric=3)
    assert edited.context == START | {"rubric": 3, "note": "x", "own": 1}


async def test_a_copy_that_shows_everything_meets_no_conflict(anywhere: SessionManager) -> None:
    mine = await copy_of(anywhere)
    mine.checkpoint("essay_marked", {})
    await anywhere.update_session(mine)
    await anywhere.pause(mine.session_id, **OLGA)
    await anywhere.resume(mine.session_id, **OLGA)
    mine.checkpoint("essay_marked", {})
    await anywhere.update_session(mine)
    mine.context["own"] = 1
    mine.checkpoint("essay_marked", {})
    await anywhere.update_session(mine)
    mine.checkpoint("essay_marked", {})
    await anywhere.update_session(mine)
    edited = await edit_from(anywhere, mine, note="x")
    assert edited.context == START | {"own": 1, "note": "x"}


async def test_after_a_change_that_conflicts_an_edit_of_what_the_copy_does_not_show_is_refused(
    anywhere: SessionManager,
) -> None:
    """The agent changes its copy while it waits in a pause; another writer changes the same path.

    Leaving the block tries to store the change once more.
    """
    made = await anywhere.create_session("grader", context=START)
    with pytest.raises(Conflict, match="rubric"):
        await _conflict(anywhere, made.session_id)


async def _conflict(anywhere: SessionManager, session_id: str) -> None:
    async with anywhere.attach(session_id, complete=False) as run:
        await anywhere.pause(session_id, **OLGA)
        waiting = asyncio.create_task(run.safe_point())
        await asyncio.sleep(0)
        run.context["rubric"] = 3
        seen = run.session.version
        await anywhere.edit(session_id, context=START | {"rubric": 2}, **OLGA)
        await anywhere.resume(session_id, **OLGA)
        await waiting
        assert run.context == START | {"rubric": 3}
        assert run.session.version == seen
        with pytest.raises(Conflict):
            await edit_from(anywhere, run.session, rubric=4)
        with pytest.raises(Conflict):
            await run.save()

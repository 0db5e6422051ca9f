"""A save returns after the commit, and stores the state at the time of the call."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest

from agent_sessions import SessionManager
from tests.library.people import OLGA, Sql, history, names, row


async def test_what_returned_is_committed_whatever_the_pool_is(
    manager: SessionManager, sql: Sql
) -> None:
    """The pool has no autocommit, and writers keep its connection from batch to batch."""
    session = await manager.create_session("grader")
    assert (await row(sql, session.session_id))["version"] == 1
    for version in range(2, 5):
        session.checkpoint("essay_marked", {"n": version})
        await manager.update_session(session)
        assert (await row(sql, session.session_id))["version"] == version


async def test_what_was_changed_after_it_was_checked_is_stored_as_it_then_was(
    manager: SessionManager,
) -> None:
    session = await manager.create_session("grader")
    made = session.checkpoint("essay_marked", {"passed": 1})
    made.data["passed"] = True
    await manager.update_session(session)
    [_, stored] = await manager.get_checkpoints(session.session_id)
    assert stored.data == {"passed": True}
    assert stored.data["passed"] is True


async def test_an_agents_save_is_a_heartbeat_and_progress_and_an_edit_is_neither(
    manager: SessionManager, sql: Sql
) -> None:
    session = await manager.create_session("grader")
    created = await row(sql, session.session_id)
    session.metadata["class"] = "7b"
    await manager.update_session(session)
    saved = await row(sql, session.session_id)
    await manager.edit(session.session_id, metadata={"class": "8b"}, **OLGA)
    edited = await row(sql, session.session_id)
    for each in ("last_heartbeat", "last_progress"):
        assert created[each] < saved[each] == edited[each], each


async def test_the_history_says_what_a_save_without_a_checkpoint_changed(
    manager: SessionManager, sql: Sql
) -> None:
    session = await manager.create_session("grader")
    for kind, n in product(("context", "metadata"), (1, 2)):
        if n == 2:  # the save is merged with an edit that came first
            await manager.edit(
                session.session_id, context={**session.context, "room": kind}, **OLGA
            )
        getattr(session, kind)["class"] = n
        await manager.update_session(session)
        assert (await history(sql, session.session_id))[-1]["kind"] == kind


async def test_a_save_whose_caller_was_cancelled_goes_on_and_the_copy_knows(
    manager: SessionManager,
) -> None:
    session = await manager.create_session("grader")
    session.checkpoint("first")
    saving = asyncio.create_task(manager.update_session(session))
    await asyncio.sleep(0)
    assert session.attempt is not None, "on its way"
    saving.cancel()
    await asyncio.wait([saving])
    session.checkpoint("second")
    await manager.update_session(session)
    assert await names(manager, session.session_id) == ["session_created", "first", "second"]


@pytest.mark.parametrize(
    ("was", "becomes"), [(1, True), (0, False), (True, 1), ([1, {"a": 0}], [1, {"a": False}])]
)
async def test_a_value_that_python_takes_for_the_same_is_stored(
    anywhere: SessionManager, was: Any, becomes: Any
) -> None:
    session = await anywhere.create_session("grader", "maria", {"a": was}, {"b": was})
    session.context["a"], session.metadata["b"] = becomes, becomes
    await anywhere.update_session(session)
    stored = await anywhere.read(session.session_id)
    assert stored is not None
    assert repr((stored.context["a"], stored.metadata["b"])) == repr((becomes, becomes))

"""A conflict names the author of the change to that path, not the last writer."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from agent_sessions import AgentSession, Conflict, SessionManager
from tests.library.people import OLGA, OTTO, Sql, rows

WAITS = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def copy_of(manager: SessionManager, session_id: str) -> AgentSession:
    found = await manager.read(session_id)
    assert found is not None
    return found


async def is_marked(manager: SessionManager, session_id: str, **context: Any) -> None:
    """The agent writes after the others, and to another path."""
    copy = await copy_of(manager, session_id)
    copy.context.update(context)
    copy.checkpoint("essay_marked")
    await manager.update_session(copy)


async def test_it_names_the_editor_of_the_path_and_not_the_last_writer(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader", context={"tries": 3, "a": {"b": 1}, "c": 1})
    mine = await copy_of(anywhere, session.session_id)
    await anywhere.edit(session.session_id, context={"tries": 10, "a": {"b": 1}, "c": 1}, **OLGA)
    await anywhere.edit(session.session_id, context={"tries": 10, "a": {"b": 2}, "c": 1}, **OTTO)
    await is_marked(anywhere, session.session_id, c=2)
    for change, actor in (
        ({"tries": 2}, "olga"),
        ({"a": {"b": 3}}, "otto"),
        ({"a": 5}, "otto"),
        ({"c": 3}, "grader"),
    ):
        copy = await copy_of(anywhere, session.session_id)
        copy.loaded = mine.loaded
        copy.context = {**(mine.loaded.context if mine.loaded else {}), **change}
        with pytest.raises(Conflict, match=f"was changed meanwhile by {actor}: ") as met:
            await anywhere.update_session(copy)
        assert met.value.actor == actor


async def test_a_path_inside_what_was_replaced_names_who_replaced_it(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader", context={"marks": {"anna": 1}, "c": 1})
    session.context["marks"]["anna"] = 2
    await anywhere.edit(session.session_id, context={"marks": [1, 2], "c": 1}, **OLGA)
    await is_marked(anywhere, session.session_id, c=2)
    with pytest.raises(Conflict, match=r"marks.anna was changed meanwhile by olga"):
        await anywhere.update_session(session)


async def test_metadata_too(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader", metadata={"class": "7b", "room": 1})
    other = await copy_of(anywhere, session.session_id)
    await anywhere.edit(session.session_id, metadata={"class": "8b", "room": 1}, **OLGA)
    other.metadata["room"] = 2
    await anywhere.update_session(other)
    session.metadata["class"] = "9b"
    with pytest.raises(Conflict, match=r"metadata.class was changed meanwhile by olga"):
        await anywhere.update_session(session)
    session.metadata = {"class": "7b", "room": 3}
    with pytest.raises(Conflict, match=r"metadata.room was changed meanwhile by grader"):
        await anywhere.update_session(session)


async def test_an_edit_of_an_old_view_names_who_changed_the_context(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader", context={"tries": 3})
    await anywhere.edit(session.session_id, context={"tries": 10}, **OLGA)
    copy = await copy_of(anywhere, session.session_id)
    copy.checkpoint("essay_marked")
    await anywhere.update_session(copy)
    with pytest.raises(Conflict, match=r"changed meanwhile: tries \(by olga\)"):
        await anywhere.edit(session.session_id, context={"tries": 4}, seen_version=1, **OTTO)


async def test_a_context_that_a_rollback_put_back_names_who_rolled_back(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader", context={"tries": 3})
    await is_marked(anywhere, session.session_id, tries=2)
    before = await copy_of(anywhere, session.session_id)
    await anywhere.rollback(session.session_id, 1, **OLGA)
    copy = await copy_of(anywhere, session.session_id)
    copy.checkpoint("essay_marked")
    await anywhere.update_session(copy)
    with pytest.raises(Conflict, match=r"changed meanwhile: tries \(by olga\)"):
        await anywhere.edit(
            session.session_id, context={"tries": 4}, seen_version=before.context_version, **OTTO
        )


async def test_a_rollback_is_not_named_for_metadata_which_it_does_not_put_back(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader", metadata={"class": "7b"})
    await is_marked(anywhere, session.session_id, tries=2)
    before = await copy_of(anywhere, session.session_id)
    await anywhere.edit(session.session_id, metadata={"class": "8b"}, **OLGA)
    await anywhere.rollback(session.session_id, 1, **OTTO)
    with pytest.raises(Conflict, match=r"metadata.class \(by olga\)"):
        await anywhere.edit(
            session.session_id,
            metadata={"class": "9b"},
            seen_metadata=before.metadata,
            seen_version=before.version,
            **OTTO,
        )


async def test_orders_up_to_the_seen_version_are_no_conflict(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    paused = await anywhere.pause(session.session_id, **OLGA)
    await is_marked(anywhere, session.session_id, c=2)
    resumed = await anywhere.resume(session.session_id, seen_version=paused.version, **OTTO)
    assert (resumed.state, resumed.version) == ("active", paused.version + 2)


async def test_checkpoints_after_the_seen_version_are_no_conflict(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    await is_marked(anywhere, session.session_id, c=2)
    paused = await anywhere.pause(session.session_id, seen_version=1, **OLGA)
    assert (paused.state, paused.version) == ("paused", 3)


async def test_a_transition_names_who_ordered_the_other_one(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    mine = await copy_of(anywhere, session.session_id)
    await anywhere.pause(session.session_id, **OLGA)
    await is_marked(anywhere, session.session_id, c=2)
    with pytest.raises(Conflict, match="was changed meanwhile by olga"):
        await anywhere.fail(session.session_id, "why", seen_version=1, **OTTO)
    await anywhere.resume(session.session_id, **OTTO)
    await is_marked(anywhere, session.session_id, c=3)
    mine.pause()
    with pytest.raises(Conflict, match="state was changed meanwhile by otto"):
        await anywhere.update_session(mine)


async def test_a_rollback_meets_an_agent_that_stores_at_that_moment(
    durable: SessionManager, database_url: str, sql: Sql
) -> None:
    session = await durable.create_session("grader", context={"essay": 1})
    async with await psycopg.AsyncConnection.connect(database_url) as agent:
        change = "UPDATE agent_sessions SET context = %s WHERE id = %s"
        await agent.execute(change, (Jsonb({"essay": 2}), session.session_id))
        rolling_back = asyncio.create_task(durable.rollback(session.session_id, 1, **OLGA))
        while not await rows(sql, WAITS):  # noqa: ASYNC110
            await asyncio.sleep(0)
    rolled_back = await rolling_back
    assert (rolled_back.context, rolled_back.epoch) == ({"essay": 1}, 1)

"""A statement that arrives after it was sent again has no second effect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent_sessions import AgentSession, SessionManager, StorageUnavailable
from tests.library.conftest import Make
from tests.library.lossy import LossyWay
from tests.library.people import OLGA, Sql, history


@pytest.fixture
async def way(database_url: str) -> AsyncIterator[LossyWay]:
    async with LossyWay(database_url) as way:
        yield way


@pytest.fixture
async def manager(way: LossyWay) -> AsyncIterator[SessionManager]:
    async with await SessionManager.connect(way.url, retry_seconds=3) as manager:
        yield manager
        way.stay_closed(False)


async def store(manager: SessionManager, session: AgentSession, *essays: int) -> None:
    for essay in essays:
        session.checkpoint("essay_marked", {"essay": essay})
    await manager.update_session(session)


async def essays(manager: SessionManager, session: AgentSession) -> list[int]:
    stored = await manager.get_checkpoints(session.session_id)
    return [c.data["essay"] for c in stored if c.name == "essay_marked"]


async def each_change_is_stored_once(sql: Sql, session: AgentSession) -> None:
    changes = [e["change_id"] for e in await history(sql, session.session_id) if e["change_id"]]
    assert len(changes) == len(set(changes))


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("with_context", [False, True])
@pytest.mark.parametrize("afterwards", [0, 1, 3])
async def test_a_checkpoint_that_arrives_after_it_was_sent_again_is_stored_once(
    manager: SessionManager,
    way: LossyWay,
    another: Make,
    sql: Sql,
    at_once: int,
    with_context: bool,
    afterwards: int,
) -> None:
    session = await manager.create_session("grader")
    await store(manager, session, 0)
    way.delay(b"essay_marked")
    if with_context:
        session.context["marks"] = 1
    await store(manager, session, *range(1, 1 + at_once))
    assert way.lost.is_set()
    theirs = await (await another()).get_session(session.session_id)
    assert theirs is not None
    expected = list(range(1 + at_once))
    for essay in range(10, 10 + afterwards):
        await store(manager, session, essay)
        await store(await another(), theirs, essay + 100)
        expected += [essay, essay + 100]
    await way.deliver()
    assert await essays(manager, session) == expected
    await each_change_is_stored_once(sql, session)


async def test_one_that_arrives_after_its_agent_called_again_is_stored_once(
    manager: SessionManager, way: LossyWay, sql: Sql
) -> None:
    session = await manager.create_session("grader")
    await store(manager, session, 0)
    way.delay(b"essay_marked")
    way.stay_closed(True)
    with pytest.raises(StorageUnavailable):
        await store(manager, session, 1)
    way.stay_closed(False)
    while session.attempt is not None:
        try:
            await manager.update_session(session)
        except StorageUnavailable:
            await asyncio.sleep(0)
    await way.deliver()
    assert await essays(manager, session) == [0, 1]
    await store(manager, session, 2)
    assert await essays(manager, session) == [0, 1, 2]
    await each_change_is_stored_once(sql, session)


async def test_one_that_arrives_before_it_is_sent_again_is_stored_once(
    manager: SessionManager, way: LossyWay, sql: Sql
) -> None:
    session = await manager.create_session("grader")
    way.delay(b"essay_marked")
    async with sql.transaction():  # holds the repeated statement back
        await sql.execute("LOCK agent_session_history IN EXCLUSIVE MODE")
        storing = asyncio.create_task(store(manager, session, 1))
        await way.lost.wait()
    delivering = asyncio.create_task(way.deliver())
    await asyncio.gather(storing, delivering)
    assert await essays(manager, session) == [1]
    await each_change_is_stored_once(sql, session)


async def test_other_writers_go_on_after_something_was_sent_again(
    manager: SessionManager, way: LossyWay, another: Make, sql: Sql
) -> None:
    theirs_manager = await another()
    session = await manager.create_session("grader")
    theirs = await theirs_manager.get_session(session.session_id)
    assert theirs is not None
    way.delay(b"essay_marked")
    await store(manager, session, 1)
    await theirs_manager.edit(session.session_id, context={"rubric": "B"}, **OLGA)
    for essay in (2, 4):
        await store(theirs_manager, theirs, essay)
        await store(manager, session, essay + 1)
    await way.deliver()
    assert await essays(manager, session) == [1, 2, 3, 4, 5]
    await each_change_is_stored_once(sql, session)

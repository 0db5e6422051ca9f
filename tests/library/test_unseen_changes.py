"""An agent neither undoes nor overwrites changes that it has not seen, on every store."""

from __future__ import annotations

import asyncio

import pytest

from agent_sessions import AgentSession, Conflict, SessionManager, StaleEpoch
from tests.library.conftest import Make
from tests.library.people import OLGA, names


async def a_copy(manager: SessionManager, session_id: str) -> AgentSession:
    found = await manager.get_session(session_id)
    assert found is not None
    return found


async def test_a_resume_does_not_undo_a_pause_that_it_has_not_seen(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader", "maria", {})
    await anywhere.pause(session.session_id, **OLGA)
    mine = await a_copy(anywhere, session.session_id)
    await anywhere.resume(session.session_id, **OLGA)
    await anywhere.pause(session.session_id, **OLGA)
    mine.resume()
    with pytest.raises(Conflict):
        await anywhere.update_session(mine)
    assert (await a_copy(anywhere, session.session_id)).state == "paused"


async def test_a_confirmation_confirms_no_order_that_is_still_to_come(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader", "maria", {})
    await anywhere.acknowledge(session.session_id, 1_000)
    for order in (anywhere.pause, anywhere.resume):
        ordered = await order(session.session_id, **OLGA)
        assert ordered.order_open
        await anywhere.acknowledge(session.session_id, 2**62)
        assert not (await a_copy(anywhere, session.session_id)).order_open


@pytest.mark.parametrize("late", [1, 2, 5])
@pytest.mark.parametrize("changed", [False, True], ids=["checkpoints", "and a context"])
async def test_late_checkpoints_after_a_rollback_are_refused_however_many(
    anywhere: SessionManager, late: int, changed: bool
) -> None:
    session = await anywhere.create_session("grader", "maria", {})
    session.checkpoint("essay_marked", {"n": 1})
    await anywhere.update_session(session)
    mine = await a_copy(anywhere, session.session_id)
    await anywhere.rollback(session.session_id, 1, **OLGA)
    for n in range(late):
        mine.checkpoint("late", {"n": n})
    if changed:
        mine.context["late"] = True
    with pytest.raises(StaleEpoch):
        await anywhere.update_session(mine)
    assert "late" not in await names(anywhere, session.session_id)
    assert (await a_copy(anywhere, session.session_id)).context == {}


async def test_two_managers_on_valkey_alone_lose_no_write(another: Make) -> None:
    one, two = await another(database=False), await another(database=False)
    session = await one.create_session("grader", "maria", {"a": 0, "b": 0})

    async def add(manager: SessionManager, key: str) -> None:
        mine = await a_copy(manager, session.session_id)
        for n in range(1, 21):
            mine.context[key] = n
            mine.checkpoint(key, {"n": n})
            await manager.update_session(mine)

    await asyncio.gather(add(one, "a"), add(two, "b"))
    stored = await one.read(session.session_id)
    assert stored is not None and stored.context == {"a": 20, "b": 20}
    checkpoints = await one.get_checkpoints(session.session_id, limit=1000)
    for key in ("a", "b"):
        assert [c.data["n"] for c in checkpoints if c.name == key] == list(range(1, 21))

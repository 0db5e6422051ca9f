"""The message of an order says what was done to the session, by whom and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from agent_sessions import OrderReceived, RolledBack, SessionManager
from tests.library.people import OLGA, OTTO

Order = Callable[[SessionManager, str], Awaitable[object]]
WHY = OLGA["reason"]


async def rolled_back_and_paused(manager: SessionManager, id: str) -> None:
    await manager.rollback(id, 1, **OLGA)
    await manager.pause(id, **OTTO)


async def deleted_and_restored(manager: SessionManager, id: str) -> None:
    await manager.delete(id, **OTTO)
    await manager.restore(id, **OLGA)


async def restored_and_paused(manager: SessionManager, id: str) -> None:
    await deleted_and_restored(manager, id)
    await manager.pause(id, **OTTO)


ORDERS: dict[str, Order] = {
    f"was rolled back by olga: {WHY}": lambda m, s: m.rollback(s, 1, **OLGA),
    f"was failed by olga: {WHY} (error: wrong class)": lambda m, s: m.fail(
        s, "wrong class", **OLGA
    ),
    f"was completed by olga: {WHY}": lambda m, s: m.complete(s, **OLGA),
    f"was deleted by olga: {WHY}": lambda m, s: m.delete(s, **OLGA),
    "was rolled back": rolled_back_and_paused,
    f"was restored by olga: {WHY}": deleted_and_restored,
    "was restored": restored_and_paused,
}


@pytest.mark.parametrize("said", ORDERS)
async def test_an_order_says_what_was_done_by_whom_and_why(
    anywhere: SessionManager, said: str
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(OrderReceived) as met:
        async with anywhere.attach(session.session_id) as run:
            await ORDERS[said](anywhere, session.session_id)
            await run.safe_point()
    assert str(met.value) == f"session {session.session_id} {said}"
    assert str(met.value.again()) == str(met.value)


async def test_an_order_without_a_reason_ends_with_its_author(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(RolledBack) as met:
        async with anywhere.attach(session.session_id) as run:
            await anywhere.rollback(session.session_id, 1, actor="olga")
            await run.safe_point()
    assert str(met.value) == f"session {session.session_id} was rolled back by olga"


async def test_what_the_agent_ended_itself_has_no_author(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    async with anywhere.attach(session.session_id):
        pass
    with pytest.raises(OrderReceived) as met:
        async with anywhere.attach(session.session_id):
            pass
    assert str(met.value) == f"session {session.session_id} was completed"

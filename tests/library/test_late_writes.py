"""Which writes after an order count as late: those of an agent that knows it, not the step that meets it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent_sessions import OrderReceived, Run, SessionManager, WriteRefused
from tests.library.people import OLGA
from tests.library.test_owners import read

ENDS: list[tuple[str, list[Any]]] = [
    ("rollback", [1]),
    ("fail", ["why"]),
    ("complete", []),
    ("delete", []),
]


@pytest.mark.parametrize(("verb", "arguments"), ENDS)
async def test_the_step_at_which_a_healthy_agent_meets_an_order_is_not_counted(
    anywhere: SessionManager, verb: str, arguments: list[Any]
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(OrderReceived):
        async with anywhere.attach(session.session_id) as run:
            await run.checkpoint("essay_marked", {"n": 1})
            await getattr(anywhere, verb)(session.session_id, *arguments, **OLGA)
            run.context["n"] = 2
            await run.checkpoint("essay_marked", {"n": 2})
    found = await read(anywhere, session.session_id)
    assert found.refused_writes == 0
    assert "n" not in found.context


async def test_what_it_still_writes_after_it_heard_the_order_is(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(OrderReceived):
        async with anywhere.attach(session.session_id) as run:
            await anywhere.rollback(session.session_id, 1, **OLGA)
            for _ in range(3):
                await _write(run)
    assert (await read(anywhere, session.session_id)).refused_writes == 2


async def _write(run: Run) -> None:
    """Writes like an agent whose framework swallows every exception."""
    with pytest.raises(OrderReceived):
        await run.checkpoint("essay_marked")


async def test_each_write_of_who_is_not_the_owner_is_counted(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    late = await read(anywhere, session.session_id)
    with pytest.raises(OrderReceived):
        async with anywhere.attach(session.session_id):
            await anywhere.rollback(session.session_id, 1, **OLGA)
            late.checkpoint("essay_marked")
            with pytest.raises(WriteRefused):
                await anywhere.update_session(late)
    assert (await read(anywhere, session.session_id)).refused_writes == 1


async def test_a_late_write_is_counted_at_its_session_alone(anywhere: SessionManager) -> None:
    other = await anywhere.create_session("grader")
    session = await anywhere.create_session("grader")
    late = await read(anywhere, session.session_id)
    await anywhere.rollback(session.session_id, 1, **OLGA)
    late.checkpoint("essay_marked")
    with pytest.raises(WriteRefused):
        await anywhere.update_session(late)
    untouched = await read(anywhere, other.session_id)
    assert (untouched.refused_writes, untouched.version) == (0, 1)
    assert (await read(anywhere, session.session_id)).refused_writes == 1


async def test_with_several_parts_each_meets_the_order_once_and_the_rest_is_counted(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    both_work, ordered, first_wrote = asyncio.Barrier(3), asyncio.Event(), asyncio.Event()

    async def first(run: Run) -> None:
        await run.safe_point()
        await both_work.wait()
        await ordered.wait()
        for _ in range(3):
            await _write(run)
        first_wrote.set()

    async def second(run: Run) -> None:
        await run.safe_point()
        await both_work.wait()
        await first_wrote.wait()  # at work, so that the order has not been met by all parts
        for _ in range(2):
            await _write(run)

    with pytest.raises(OrderReceived):
        async with anywhere.attach(session.session_id) as run, asyncio.TaskGroup() as parts:
            parts.create_task(first(run))
            parts.create_task(second(run))
            await both_work.wait()
            await anywhere.fail(session.session_id, "why", **OLGA)
            ordered.set()
    assert (await read(anywhere, session.session_id)).refused_writes == 3

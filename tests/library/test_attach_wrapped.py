"""An order leaves `attach` unchanged, whatever wraps it and however it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agent_sessions import (
    Completed,
    Deleted,
    Failed,
    OrderReceived,
    RolledBack,
    Run,
    SessionManager,
    StaleEpoch,
)
from tests.library.conftest import Make
from tests.library.people import OLGA

NEVER = 3600.0  # no automatic heartbeats in these tests

ORDERS: list[tuple[str, list[Any], type[OrderReceived]]] = [
    ("rollback", [2], RolledBack),
    ("fail", ["no paper"], Failed),
    ("complete", [], Completed),
    ("delete", [], Deleted),
]
orders = pytest.mark.parametrize(("verb", "arguments", "error"), ORDERS)


class ToolError(Exception):
    """An exception in which a framework wraps those of its tools."""


async def in_a_group(run: Run) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(run.checkpoint("a"))
        group.create_task(run.checkpoint("b"))


async def in_groups_of_groups(run: Run) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(in_a_group(run))


async def wrapped(run: Run) -> None:
    try:
        await run.checkpoint("tool")
    except Exception as error:
        raise ToolError(f"Error running tool: {error}") from error


async def wrapped_without_its_cause(run: Run) -> None:
    try:
        await run.checkpoint("tool")
    except Exception:
        raise ToolError("Error running tool") from None


async def swallowed(run: Run) -> None:
    for n in range(3):
        try:
            await run.checkpoint(f"tool {n}")
        except Exception:
            pass


async def swallowed_before_another_error(run: Run) -> None:
    await swallowed(run)
    raise ZeroDivisionError


async def lost_in_gather(run: Run) -> None:
    await asyncio.gather(run.checkpoint("a"), run.checkpoint("b"), return_exceptions=True)


async def met_by_nobody(run: Run) -> None:
    """Leaves the block before the next safe point."""


async def refused_outside_of_the_run(run: Run) -> None:
    run.session.checkpoint("a")
    await run._manager.update_session(run.session)


async def own_error(run: Run) -> None:
    raise ZeroDivisionError


WAYS = [
    in_a_group,
    in_groups_of_groups,
    wrapped,
    wrapped_without_its_cause,
    swallowed,
    swallowed_before_another_error,
    lost_in_gather,
    met_by_nobody,
    refused_outside_of_the_run,
    own_error,
]
ways = pytest.mark.parametrize("way", WAYS)
CAUSES: dict[Any, type[BaseException]] = {
    in_a_group: ExceptionGroup,
    in_groups_of_groups: ExceptionGroup,
    wrapped: ToolError,
    wrapped_without_its_cause: ToolError,
    swallowed_before_another_error: ZeroDivisionError,
    refused_outside_of_the_run: StaleEpoch,
    own_error: ZeroDivisionError,
}


@pytest.mark.parametrize(("verb", "arguments", "error"), ORDERS[:2])
@ways
@pytest.mark.parametrize("complete", [True, False])
async def test_an_order_leaves_the_block_as_that_order(
    manager: SessionManager,
    verb: str,
    arguments: list[Any],
    error: type[OrderReceived],
    way: Callable[[Run], Awaitable[None]],
    complete: bool,
) -> None:
    session = await manager.create_session("grader")
    with pytest.raises(error) as received:
        async with manager.attach(session.session_id, complete=complete) as run:
            await run.checkpoint("one", {"essay": 1})
            await getattr(manager, verb)(session.session_id, *arguments, **OLGA)
            await way(run)
    if cause := CAUSES.get(way):
        assert isinstance(received.value.__cause__, cause)
    if isinstance(received.value, RolledBack):
        assert received.value.data == {"essay": 1}
    found = await manager.read(session.session_id)
    assert found is not None
    assert (found.order_verb, found.order_open) == (verb, False), "and it was acknowledged"
    assert "session_failed" not in [c.name for c in found.checkpoints] or verb == "fail"


@pytest.mark.parametrize("way", [swallowed, wrapped])
async def test_the_newest_order_leaves_the_block(
    manager: SessionManager, way: Callable[[Run], Awaitable[None]]
) -> None:
    session = await manager.create_session("grader")
    with pytest.raises(Failed):
        async with manager.attach(session.session_id) as run:
            await manager.rollback(session.session_id, 1, **OLGA)
            await swallowed(run)
            await manager.fail(session.session_id, "no paper", **OLGA)
            await way(run)


async def test_cancellation_is_no_order(manager: SessionManager) -> None:
    session = await manager.create_session("grader")
    inside = asyncio.Event()

    async def work() -> None:
        async with manager.attach(session.session_id) as run:
            await manager.fail(session.session_id, "no paper", **OLGA)
            await swallowed(run)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@orders
@pytest.mark.parametrize("late", ["a checkpoint", "a save", "leaving", "its own failure"])
async def test_an_order_that_valkey_never_heard_of_is_met_with_the_first_refusal(
    another: Make,
    verb: str,
    arguments: list[Any],
    error: type[OrderReceived],
    late: str,
) -> None:
    agent, boss = await another(flush_seconds=NEVER), await another(valkey=False)
    session = await agent.create_session("grader")
    with pytest.raises(error):
        async with agent.attach(session.session_id, interval=NEVER) as run:
            await run.checkpoint("one", {"essay": 1})
            await getattr(boss, verb)(session.session_id, *arguments, **OLGA)
            assert (await agent.head(session.session_id)).epoch == 0, "not heard of"
            if late == "a checkpoint":
                await run.checkpoint("essay_marked")
            elif late == "a save":
                run.context["marked"] = 1
                await run.save()
            elif late == "its own failure":
                await run.fail("no ink")
    found = await boss.read(session.session_id)
    assert found is not None
    assert (found.order_verb, found.order_open) == (verb, False), "and it was acknowledged"
    assert (await agent.head(session.session_id)).epoch == 1, "and is known now"


@pytest.mark.parametrize("end", ["complete", "fail"])
async def test_what_another_agent_ended_is_met_as_that_end(
    manager: SessionManager, end: str
) -> None:
    """Another agent's end is not an order and does not raise the epoch."""
    session = await manager.create_session("grader")
    with pytest.raises(Completed):
        async with manager.attach(session.session_id) as run:
            session.complete()
            await manager.update_session(session)
            await getattr(run, end)("no ink")


@orders
async def test_an_order_that_was_swallowed_stays_unconfirmed_until_the_block_is_left(
    anywhere: SessionManager, verb: str, arguments: list[Any], error: type[OrderReceived]
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(error):
        async with anywhere.attach(session.session_id, interval=NEVER) as run:
            await run.checkpoint("one")
            await getattr(anywhere, verb)(session.session_id, *arguments, **OLGA)
            for _ in range(2):
                with pytest.raises(error):
                    await run.checkpoint("two")
                stored = await anywhere.read(session.session_id)
                assert stored is not None
                assert stored.order_open
    stored = await anywhere.read(session.session_id)
    assert stored is not None
    assert not stored.order_open

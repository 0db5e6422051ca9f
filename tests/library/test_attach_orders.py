"""Orders reach an attached agent: immediately with Valkey, with its next heartbeat without it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from agent_sessions import (
    AgentSession,
    Completed,
    Deleted,
    Failed,
    OrderReceived,
    RolledBack,
    Run,
    SessionManager,
)
from tests.library.conftest import Make
from tests.library.people import OLGA, OTTO, Sql, history, names
from tests.support.waiting import HANGS

SOON = HANGS
NEVER = 3600.0  # no automatic heartbeats in these tests


@pytest.fixture(params=["valkey", "heartbeat"])
async def pair(request: pytest.FixtureRequest, another: Make) -> tuple[SessionManager, Any]:
    """(agent's manager, dashboard's manager); without Valkey orders arrive with heartbeats."""
    valkey = request.param == "valkey"
    return await another(valkey=valkey, flush_seconds=NEVER), await another(valkey=valkey)


def manager_of(run: Run) -> SessionManager:
    return cast(SessionManager, run._manager)


async def hears(run: Run) -> None:
    """Sends a heartbeat without Valkey, which brings an order; with Valkey its announcement arrives by itself."""
    if not manager_of(run)._cache.trusted:
        await run.tick()


async def next_safe_point(run: Run) -> None:
    """Calls a safe point after the order has arrived: with Valkey that takes a moment."""
    known, head = manager_of(run)._cache, None
    while known.trusted and not (head and head.order_open):
        await asyncio.sleep(0.005)
        head = known.head(run.session.session_id)
    await run.safe_point()


async def until_waiting(task: asyncio.Task[Any], run: Run) -> None:
    """Waits until the agent is blocked at a safe point."""
    while run._seen is None or run._seen.state != "paused" or run._seen.order_open:
        assert not task.done(), task
        await hears(run)
        await asyncio.sleep(0.005)


async def paused_run(agent: SessionManager, boss: SessionManager, run: Run) -> asyncio.Task[Any]:
    await boss.pause(run.session.session_id, **OLGA)
    await hears(run)
    task: asyncio.Task[Any] = asyncio.create_task(run.checkpoint("essay_marked", {"essay": 1}))
    await asyncio.wait_for(until_waiting(task, run), SOON)
    return task


async def test_a_paused_agent_stores_its_step_waits_acknowledges_and_goes_on(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    agent, boss = pair
    session = await agent.create_session("grader")
    async with agent.attach(session.session_id, interval=NEVER, complete=False) as run:
        waiting = await paused_run(agent, boss, run)
        held = await boss.read(session.session_id)
        assert held is not None
        assert held.state == "paused" and not held.order_open
        assert held.ordered_at and held.acknowledged_at
        assert held.acknowledged_at >= held.ordered_at
        assert "essay_marked" in await names(boss, session.session_id)
        assert not waiting.done()

        resumed = await boss.resume(session.session_id, **OTTO)
        assert resumed.order_open
        await hears(run)
        made = await asyncio.wait_for(waiting, SOON)
        assert made.name == "essay_marked" and made.n is not None
        done = await boss.read(session.session_id)
        assert done is not None and done.acknowledged_version == resumed.version


@pytest.mark.parametrize(
    ("verb", "arguments", "error", "state"),
    [
        ("fail", ["no paper"], Failed, "failed"),
        ("complete", [], Completed, "completed"),
        ("delete", [], Deleted, "deleted"),
        ("rollback", [2], RolledBack, "active"),
    ],
)
@pytest.mark.parametrize("paused", [False, True])
async def test_an_order_that_ends_the_work_is_raised_at_the_next_safe_point(
    pair: tuple[SessionManager, SessionManager],
    verb: str,
    arguments: list[Any],
    error: type[OrderReceived],
    state: str,
    paused: bool,
) -> None:
    agent, boss = pair
    session = await agent.create_session("grader")
    with pytest.raises(error) as received:
        async with agent.attach(session.session_id, interval=NEVER) as run:
            await run.checkpoint("essay_marked", {"essay": 1})
            waiting = await paused_run(agent, boss, run) if paused else None
            await getattr(boss, verb)(session.session_id, *arguments, **OLGA)
            await hears(run)
            await asyncio.wait_for(waiting or next_safe_point(run), SOON)
    done = "rolled back" if verb == "rollback" else state
    assert f"was {done} by olga: the class is waiting" in str(received.value)
    after = await boss.read(session.session_id)
    assert after is not None
    assert (after.state, after.order_open) == (state, False), "and it was acknowledged"


async def test_an_agent_that_was_rolled_back_restarts_from_the_checkpoint(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    agent, boss = pair
    session = await agent.create_session("grader", context={"marked": 0})
    with pytest.raises(RolledBack) as received:
        async with agent.attach(session.session_id, interval=NEVER) as run:
            for essay in (1, 2, 3):
                run.context["marked"] = essay
                await run.checkpoint("essay_marked", {"essay": essay})
            await boss.rollback(session.session_id, f"{session.session_id}:3", **OLGA)
            await hears(run)
            await asyncio.wait_for(next_safe_point(run), SOON)
    assert received.value.data == {"essay": 2}
    assert received.value.checkpoint and received.value.checkpoint.n == 3
    async with agent.attach(session.session_id, interval=NEVER, complete=False) as run:
        assert run.restarted_from and run.restarted_from.data == {"essay": 2}
        last = run.last_checkpoint("essay_marked")
        assert last and last.data == {"essay": 2}
        assert run.context == {"marked": 2}
        await run.checkpoint("essay_marked", {"essay": 30})
    async with agent.attach(session.session_id, interval=NEVER, complete=False) as run:
        assert run.restarted_from is None, "there is work of its own since"
        last = run.last_checkpoint("essay_marked")
        assert last and last.data == {"essay": 30}


async def test_returning_to_where_it_was_takes_a_rollback_back(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    agent, boss = pair
    session = await agent.create_session("grader", context={"marked": 0})
    async with agent.attach(session.session_id, interval=NEVER, complete=False) as run:
        for essay in (1, 2, 3):
            run.context["marked"] = essay
            await run.checkpoint("essay_marked", {"essay": essay})
    back = await boss.rollback(session.session_id, 2, **OLGA)
    assert back.context == {"marked": 1}
    before = next(c for c in back.checkpoints if c.name == "before rollback to essay_marked")
    preview = await boss.preview_rollback(session.session_id, before.id or "")
    assert preview.context_captured and preview.after == {"marked": 3}
    returned = await boss.rollback(session.session_id, before.id or "", **OTTO)
    assert returned.context == {"marked": 3}
    async with agent.attach(session.session_id, interval=NEVER, complete=False) as run:
        assert run.restarted_from and run.restarted_from.data == {"essay": 3}
        last = run.last_checkpoint("essay_marked")
        assert last and last.data == {"essay": 3}


async def test_a_resume_supersedes_an_older_pause(
    pair: tuple[SessionManager, SessionManager], sql: Sql
) -> None:
    agent, boss = pair
    session = await agent.create_session("grader")
    async with agent.attach(session.session_id, interval=NEVER, complete=False) as run:
        await boss.pause(session.session_id, **OLGA)
        resumed = await boss.resume(session.session_id, **OTTO)
        await hears(run)
        await asyncio.wait_for(run.checkpoint("essay_marked"), SOON)
    acknowledged = [
        e["detail"]["order_version"]
        for e in await history(sql, session.session_id)
        if e["kind"] == "acknowledged"
    ]
    assert acknowledged == [resumed.version], "only the newest order is confirmed"


async def test_through_valkey_an_order_is_heard_without_a_heartbeat(another: Make) -> None:
    agent, boss = await another(flush_seconds=NEVER), await another()
    session = await agent.create_session("grader")
    async with agent.attach(session.session_id, interval=NEVER, complete=False) as run:
        waiting = await paused_run(agent, boss, run)
        await boss.resume(session.session_id, **OTTO)
        await asyncio.wait_for(waiting, SOON)


@pytest.mark.parametrize("writer", ["psql", "a manager without Valkey"])
async def test_an_order_that_nobody_announced_comes_with_the_beats(
    another: Make, sql: Sql, writer: str
) -> None:
    agent = await another(flush_seconds=NEVER)
    boss = await another(valkey=False)
    session = await agent.create_session("grader")
    async with agent.attach(session.session_id, interval=NEVER, complete=False) as run:
        await run.checkpoint("essay_marked")
        if writer == "psql":
            await sql.execute("UPDATE agent_sessions SET state = 'paused'")
        else:
            await boss.pause(session.session_id, **OLGA)
        await run.tick()
        await agent.tick()  # the flush of the beats answers with the heads
        waiting = asyncio.create_task(run.safe_point())
        await asyncio.wait_for(until_waiting(waiting, run), SOON)
        await boss.resume(session.session_id, **OLGA)
        await run.tick()
        await agent.tick()
        await asyncio.wait_for(waiting, SOON)


async def test_an_agent_that_attaches_while_paused_waits_before_its_first_step(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    agent, boss = pair
    session = await agent.create_session("grader")
    await boss.pause(session.session_id, **OLGA)
    inside = asyncio.Event()

    async def work() -> None:
        async with agent.attach(session.session_id, interval=0.05, complete=False):
            inside.set()

    task = asyncio.create_task(work())

    async def acknowledged() -> AgentSession:
        while True:
            found = await boss.read(session.session_id)
            if found is not None and not found.order_open:
                return found
            await asyncio.sleep(0.01)

    await asyncio.wait_for(acknowledged(), SOON)
    assert not inside.is_set()
    await boss.resume(session.session_id, **OTTO)
    await asyncio.wait_for(inside.wait(), SOON)
    await asyncio.wait_for(task, SOON)


SECOND_ORDERS = [["pause"], ["pause", "resume"], ["edit"]]


@pytest.mark.parametrize("then", SECOND_ORDERS, ids="-".join)
async def test_a_rollback_says_where_to_start_again_whatever_was_ordered_after_it(
    pair: tuple[SessionManager, SessionManager], then: list[str]
) -> None:
    agent, boss = pair
    session = await agent.create_session("grader")
    with pytest.raises(RolledBack) as left:
        async with agent.attach(session.session_id, interval=NEVER) as run:
            for n in range(1, 4):
                await run.checkpoint("essay_marked", {"number": n})
            await boss.rollback(session.session_id, 3, **OTTO)
            for verb in then:
                more: dict[str, Any] = {"context": {"note": "again"}} if verb == "edit" else {}
                await getattr(boss, verb)(session.session_id, **OLGA, **more)
            await run.checkpoint("late")
    assert left.value.data == {"number": 2}
    assert left.value.actor in (OTTO["actor"], None)
    if then == ["pause"]:
        await boss.resume(session.session_id, **OLGA)
    async with agent.attach(session.session_id, interval=NEVER) as run:
        assert run.restarted_from is not None
        assert run.restarted_from.data == {"number": 2}


async def test_a_session_that_was_deleted_and_restored_goes_on_from_its_newest_checkpoint(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    agent, boss = pair
    session = await agent.create_session("grader")
    with pytest.raises(RolledBack) as left:
        async with agent.attach(session.session_id, interval=NEVER) as run:
            for n in range(1, 4):
                await run.checkpoint("essay_marked", {"number": n})
            await boss.delete(session.session_id, **OTTO)
            await boss.restore(session.session_id, **OLGA)
            await run.checkpoint("late")
    assert left.value.data == {"number": 3}

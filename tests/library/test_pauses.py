"""Any sequence of pauses and resumes, with any work in between, leaves a healthy agent working."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent_sessions import AgentSession, Conflict, InvalidInput, Run, SessionManager, SessionState
from tests.library.conftest import Make
from tests.library.people import OLGA, OTTO, Sql, history, names
from tests.support.waiting import HANGS

SOON = HANGS
OFTEN = 0.05  # seconds between heartbeats, which bring orders without Valkey


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


class Worker:
    """An agent that takes a step when told."""

    def __init__(self, agent: SessionManager, boss: SessionManager, session_id: str) -> None:
        self.boss, self.session_id = boss, session_id
        self.run: Run | None = None
        self._agent = agent
        self._steps: asyncio.Queue[Callable[[Run], Awaitable[object]]] = asyncio.Queue()
        self._inside = asyncio.Event()
        self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        async with self._agent.attach(self.session_id, interval=OFTEN, complete=False) as run:
            self.run = run
            self._inside.set()
            while True:
                await (await self._steps.get())(run)
                self._steps.task_done()

    def step(self, step: Callable[[Run], Awaitable[object]]) -> None:
        self._steps.put_nowait(step)

    async def idle(self) -> None:
        """Waits until all steps are taken; raises the error that ended the agent."""
        await self._first(self._steps.join())

    async def inside(self) -> None:
        await self._first(self._inside.wait())

    async def _first(self, waiting: Any) -> None:
        wanted = asyncio.ensure_future(waiting)
        async with asyncio.timeout(SOON):
            await asyncio.wait([wanted, self.task], return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            wanted.cancel()
            self.task.result()

    async def record(self) -> AgentSession:
        found = await self.boss.read(self.session_id)
        assert found is not None
        return found

    async def obeyed(self) -> None:
        async def holds() -> bool:
            if self.task.done():
                self.task.result()
            return not (await self.record()).order_open

        await eventually(holds)

    async def heard(self, state: str) -> None:
        """Waits until the agent's process knows this state."""
        assert self.run is not None

        async def holds() -> bool:
            return (await self._agent.head(self.session_id)).state == state

        await eventually(holds)


@asynccontextmanager
async def working(
    agent: SessionManager, boss: SessionManager, context: dict[str, Any] | None = None
) -> AsyncIterator[Worker]:
    session = await agent.create_session("grader", context=context or {})
    worker = Worker(agent, boss, session.session_id)
    try:
        await worker.inside()
        yield worker
    finally:
        worker.task.cancel()
        await asyncio.gather(worker.task, return_exceptions=True)


@pytest.fixture(params=["valkey", "heartbeat"])
async def pair(request: pytest.FixtureRequest, another: Make) -> tuple[SessionManager, Any]:
    """(agent's manager, dashboard's manager), with and without Valkey."""
    valkey = request.param == "valkey"
    return await another(valkey=valkey, flush_seconds=OFTEN), await another(valkey=valkey)


def marks(n: int) -> Callable[[Run], Awaitable[object]]:
    async def step(run: Run) -> None:
        run.context["marked"] = n
        await run.checkpoint("essay_marked", {"n": n})

    return step


def looks(run: Run) -> Awaitable[object]:
    return run.safe_point()


async def test_an_agent_pauses_as_often_as_it_is_told_to(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    async with working(*pair) as worker:
        for n in range(1, 5):
            await worker.boss.pause(worker.session_id, **OLGA)
            await worker.heard("paused")
            worker.step(marks(n))  # the pause arrives during this step
            await worker.obeyed()
            await worker.boss.resume(worker.session_id, **OTTO)
            await worker.obeyed()
            await worker.idle()
        assert (await worker.record()).state == "active"
        stored = await names(worker.boss, worker.session_id)
        assert stored.count("essay_marked") == 4
        assert stored.count("session_paused") == stored.count("session_resumed") == 4


@pytest.mark.parametrize("between", ["nothing", "a safe point", "a checkpoint", "a save"])
async def test_whatever_is_done_between_two_pauses(
    pair: tuple[SessionManager, SessionManager], between: str
) -> None:
    steps: dict[str, Callable[[Run], Awaitable[object]]] = {
        "a safe point": looks,
        "a checkpoint": marks(100),
        "a save": lambda run: run.save(),
    }
    async with working(*pair) as worker:
        await worker.boss.pause(worker.session_id, **OLGA)
        await worker.heard("paused")
        worker.step(looks)
        await worker.obeyed()
        await worker.boss.resume(worker.session_id, **OTTO)
        await worker.obeyed()
        await worker.idle()
        if between in steps:
            worker.step(steps[between])
            await worker.idle()
        await worker.boss.pause(worker.session_id, **OLGA)
        await worker.heard("paused")
        worker.step(marks(1))
        await worker.obeyed()
        held = await worker.record()
        assert (held.state, held.context) == ("paused", {"marked": 1})
        assert worker.run is not None and worker.run.session.state == "paused"
        await worker.boss.resume(worker.session_id, **OTTO)
        await worker.idle()


async def test_a_pause_and_a_resume_between_two_safe_points_leave_it_at_work(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    async with working(*pair) as worker:
        for n in range(1, 4):
            await worker.boss.pause(worker.session_id, **OLGA)
            await worker.boss.resume(worker.session_id, **OTTO)
            await worker.heard("active")
            worker.step(marks(n))
            await worker.obeyed()
            await worker.idle()
        assert (await worker.record()).context == {"marked": 3}


async def test_an_agent_that_was_resumed_may_pause_and_complete_itself(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    async with working(*pair) as worker:
        await worker.boss.pause(worker.session_id, **OLGA)
        await worker.heard("paused")
        worker.step(looks)
        await worker.obeyed()
        await worker.boss.resume(worker.session_id, **OTTO)
        await worker.obeyed()
        await worker.idle()
        worker.step(lambda run: run.complete({"essays": 3}))
        await worker.idle()
        assert (await worker.record()).state == "completed"


async def says(boss: SessionManager, session_id: str, verb: str) -> None:
    """As an orchestrator does: with its own copy, not as an order."""
    copy = await boss.read(session_id)
    assert copy is not None
    getattr(copy, verb)()
    await boss.update_session(copy)


async def test_an_attached_run_makes_no_transition_that_it_was_not_asked_for(
    pair: tuple[SessionManager, SessionManager], sql: Sql
) -> None:
    async with working(*pair) as worker:
        for n in range(1, 4):
            await says(worker.boss, worker.session_id, "pause")
            await worker.heard("paused")
            worker.step(marks(n))
            await eventually(lambda n=n: _has(worker, n))  # type: ignore[misc]
            await says(worker.boss, worker.session_id, "resume")
            await worker.idle()
        await says(worker.boss, worker.session_id, "pause")
        await worker.heard("paused")
        worker.step(marks(4))
        await eventually(lambda: _has(worker, 4))
        assert (await worker.record()).state == "paused"
        states = [
            e["to_state"] for e in await history(sql, worker.session_id) if e["kind"] == "state"
        ]
        assert states == ["paused", "active"] * 3 + ["paused"]


async def _has(worker: Worker, n: int) -> bool:
    if worker.task.done():
        worker.task.result()
    return (await worker.record()).context.get("marked") == n


async def test_a_refused_end_leaves_the_copy_in_the_state_that_is_stored(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    """Otherwise the next checkpoint would request the former state."""
    agent, boss = pair
    session = await agent.create_session("grader")
    async with agent.attach(session.session_id, interval=OFTEN, complete=False) as run:
        await says(boss, session.session_id, "pause")
        run.session.checkpoint("kept")
        sent = asyncio.create_task(agent.update_session(run.session))
        await asyncio.sleep(0)  # being sent; the answer says that the session is paused
        run.context["mean"] = float("nan")
        with pytest.raises(InvalidInput):
            await run.complete()
        await sent
        del run.context["mean"]
        run.session.checkpoint("later")
        await agent.update_session(run.session)
        found = await boss.read(session.session_id)
        assert found is not None and found.state == "paused"


async def test_an_edit_made_during_a_pause_is_what_the_agent_goes_on_with(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    agent, boss = pair
    seen: list[int] = []

    async def tries(run: Run) -> None:
        run.context["tries_left"] -= 1
        seen.append(run.context["tries_left"])
        await run.checkpoint("tried", {"left": run.context["tries_left"]})

    async with working(agent, boss, {"tries_left": 3, "marks": {"anna": 2}}) as worker:
        assert worker.run is not None
        held = worker.run.context, worker.run.context["marks"]
        await boss.pause(worker.session_id, **OLGA)
        await worker.heard("paused")
        worker.step(tries)
        await worker.obeyed()
        await boss.edit(
            worker.session_id,
            context={"tries_left": 10, "marks": {"anna": 1}},
            metadata={"a": 1},
            **OLGA,
        )
        await boss.resume(worker.session_id, **OTTO)
        await worker.obeyed()
        await worker.idle()
        assert worker.run.context == {"tries_left": 10, "marks": {"anna": 1}}
        assert worker.run.session.metadata == {"a": 1}
        assert (worker.run.context, worker.run.context["marks"]) == held
        assert worker.run.context is held[0] and worker.run.context["marks"] is held[1]
        worker.step(tries)
        await worker.idle()
        assert seen == [2, 9]
        assert (await worker.record()).context["tries_left"] == 9


async def test_an_edit_before_the_first_step_is_what_the_agent_begins_with(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    agent, boss = pair
    session = await agent.create_session("grader", context={"tries_left": 3})
    await boss.pause(session.session_id, **OLGA)

    async def work() -> int:
        async with agent.attach(session.session_id, interval=OFTEN) as run:
            run.context["tries_left"] -= 1
            await run.checkpoint("tried")
            return int(run.context["tries_left"])

    task = asyncio.create_task(work())

    async def confirmed() -> bool:
        found = await boss.read(session.session_id)
        return found is not None and not found.order_open

    await eventually(confirmed)
    await boss.edit(session.session_id, context={"tries_left": 10}, **OLGA)
    await boss.resume(session.session_id, **OTTO)
    assert await asyncio.wait_for(task, SOON) == 9


async def test_what_was_not_stored_yet_stays_beside_an_edit_of_something_else(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    async with working(*pair, {"marked": 0, "tries_left": 3}) as worker:
        assert worker.run is not None
        await worker.boss.pause(worker.session_id, **OLGA)
        await worker.heard("paused")
        worker.step(looks)
        await worker.obeyed()
        worker.run.context["marked"] = 7  # by another task that shares the run
        await worker.boss.edit(worker.session_id, context={"marked": 0, "tries_left": 10}, **OLGA)
        await worker.boss.resume(worker.session_id, **OTTO)
        await worker.idle()
        assert worker.run.context == {"marked": 7, "tries_left": 10}
        worker.step(lambda run: run.save())
        await worker.idle()
        assert (await worker.record()).context == {"marked": 7, "tries_left": 10}


async def test_an_edit_of_what_was_not_stored_yet_is_a_conflict_that_names_the_editor(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    async with working(*pair, {"tries_left": 3}) as worker:
        assert worker.run is not None
        await worker.boss.pause(worker.session_id, **OLGA)
        await worker.heard("paused")
        worker.step(looks)
        await worker.obeyed()
        worker.run.context["tries_left"] = 2
        await worker.boss.edit(worker.session_id, context={"tries_left": 10}, **OLGA)
        await worker.boss.resume(worker.session_id, **OTTO)
        worker.step(lambda run: run.save())
        with pytest.raises(Conflict, match="tries_left was changed meanwhile by olga"):
            await worker.idle()
        assert (await worker.record()).context == {"tries_left": 10}


async def test_a_pause_of_a_writer_that_an_older_order_is_confirmed_after_holds_the_agent(
    manager: SessionManager, another: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_manager = await another()
    session = await manager.create_session("grader")
    async with manager.attach(session.session_id) as run:
        paused = await other_manager.pause(session.session_id, actor="olga")
        writer = await other_manager.read(session.session_id)
        assert writer is not None
        writer.state = SessionState.ACTIVE
        await other_manager.update_session(writer)
        confirm, confirmed = manager.acknowledge, asyncio.Event()

        async def confirm_after_a_pause(session_id: str, order_version: int) -> None:
            monkeypatch.undo()
            assert order_version == paused.order_version
            writer.state = SessionState.PAUSED
            await other_manager.update_session(writer)
            await confirm(session_id, order_version)
            confirmed.set()

        monkeypatch.setattr(manager, "acknowledge", confirm_after_a_pause)
        saved = asyncio.create_task(run.checkpoint("essay_read"))
        async with asyncio.timeout(SOON):
            await confirmed.wait()
        stored = await other_manager.read(session.session_id)
        assert stored is not None and stored.state == SessionState.PAUSED and not stored.order_open
        assert not saved.done()
        await other_manager.resume(session.session_id, actor="olga")
        await saved

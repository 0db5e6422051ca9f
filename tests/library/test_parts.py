"""A pause is confirmed when no part of the run is at work, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest

from agent_sessions import AgentSession, OrderReceived, RolledBack, Run, SessionManager
from tests.library.conftest import Make
from tests.library.people import OLGA, OTTO, Sql, history
from tests.support.waiting import HANGS

SOON = HANGS
OFTEN = 0.05  # seconds between heartbeats
SHARED: dict[str, Run] = {}


@pytest.fixture(params=["valkey", "heartbeat"])
async def pair(request: pytest.FixtureRequest, another: Make) -> tuple[SessionManager, Any]:
    valkey = request.param == "valkey"
    return await another(valkey=valkey, flush_seconds=OFTEN), await another(valkey=valkey)


class Scene:
    """An agent's block with its parts, and an administrator who looks at it from outside."""

    def __init__(self, boss: SessionManager, session_id: str) -> None:
        self.boss, self.session_id = boss, session_id
        self.go = asyncio.Event()  # what the slow part works until
        self.started = asyncio.Event()

    async def record(self) -> AgentSession:
        found = await self.boss.read(self.session_id)
        assert found is not None
        return found

    async def until(self, holds: Callable[[AgentSession], bool]) -> AgentSession:
        async with asyncio.timeout(SOON):
            while True:
                found = await self.record()
                if holds(found):
                    return found
                await asyncio.sleep(0.01)

    async def says(self, parts: int, at_work: int) -> None:
        found = await self.until(lambda s: (s.parts, s.parts_at_work) == (parts, at_work))
        assert found.order_open

    async def confirmed(self) -> None:
        found = await self.until(lambda s: not s.order_open)
        assert (found.parts, found.parts_at_work) == (None, None)

    async def quick(self, run: Run) -> None:
        """Comes by safe points all the time."""
        while not self.go.is_set():
            await asyncio.sleep(0.01)
            await run.checkpoint("quick")

    async def slow(self, run: Run) -> None:
        """Calls the run when all is done, and not before."""
        self.started.set()
        await self.go.wait()
        await run.checkpoint("slow")


Block = Callable[[Scene, Run], Awaitable[object]]


@asynccontextmanager
async def scene(pair: tuple[SessionManager, SessionManager], block: Block) -> AsyncIterator[Scene]:
    agent, boss = pair
    session = await agent.create_session("grader")
    made = Scene(boss, session.session_id)

    async def work() -> None:
        async with agent.attach(session.session_id, interval=OFTEN, complete=False) as run:
            await block(made, run)

    task = asyncio.create_task(work())
    try:
        await asyncio.wait(
            [task, asyncio.create_task(made.started.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        yield made
        made.go.set()
        await asyncio.wait_for(task, SOON)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def in_a_task_group(scene: Scene, run: Run) -> None:
    async def quick() -> None:
        await scene.quick(run)

    async def slow() -> None:
        await scene.slow(run)

    async with asyncio.TaskGroup() as group:
        group.create_task(quick())
        group.create_task(slow())


async def gathered(scene: Scene, run: Run) -> None:
    await asyncio.gather(scene.quick(run), scene.slow(run))


async def waited_for(scene: Scene, run: Run) -> None:
    quick, slow = (asyncio.create_task(p) for p in (scene.quick(run), scene.slow(run)))
    await asyncio.wait([quick, slow])


async def one_after_the_other(scene: Scene, run: Run) -> None:
    quick, slow = (asyncio.create_task(p) for p in (scene.quick(run), scene.slow(run)))
    await quick
    await slow


async def beside_calls_of_the_block(scene: Scene, run: Run) -> None:
    """The block's own task calls the run, too, and then only awaits the others."""

    async def slow() -> None:
        await scene.go.wait()
        await run.checkpoint("slow")

    await run.checkpoint("begun")
    async with asyncio.TaskGroup() as group:
        group.create_task(scene.quick(run))
        group.create_task(slow())
        await asyncio.sleep(0.1)
        await run.checkpoint("both are at work")
        scene.started.set()


async def of_an_object(scene: Scene, run: Run) -> None:
    class Grader:
        def __init__(self) -> None:
            self.run = run

        async def slow(self) -> None:
            scene.started.set()
            await scene.go.wait()
            await self.run.checkpoint("slow")

    await asyncio.gather(scene.quick(run), Grader().slow())


async def that_called_before(scene: Scene, run: Run) -> None:
    async def slow() -> None:
        await run.safe_point()
        await later()

    async def later() -> None:
        scene.started.set()
        await scene.go.wait()

    await asyncio.gather(scene.quick(run), slow())


async def nested(scene: Scene, run: Run) -> None:
    """A part that only awaits its own part is not at work; the one that it awaits is."""

    async def outer() -> None:
        await run.safe_point()
        await asyncio.gather(scene.slow(run))

    await asyncio.gather(scene.quick(run), outer())


async def that_was_given_a_call(scene: Scene, run: Run) -> None:
    async def slow(store: Callable[[str], Awaitable[object]]) -> None:
        scene.started.set()
        await scene.go.wait()
        await store("slow")

    await asyncio.gather(scene.quick(run), slow(run.checkpoint))


async def that_was_given_part_of_a_call(scene: Scene, run: Run) -> None:
    async def slow(store: Callable[[], Awaitable[object]]) -> None:
        scene.started.set()
        await scene.go.wait()
        await store()

    await asyncio.gather(scene.quick(run), slow(partial(run.checkpoint, "slow")))


async def of_an_object_of_an_object(scene: Scene, run: Run) -> None:
    class Tools:
        __slots__ = ("run",)

        def __init__(self) -> None:
            self.run = run

    class Grader:
        def __init__(self) -> None:
            self._tools = Tools()

        @property
        def tools(self) -> Tools:
            return self._tools

        async def slow(self) -> None:
            scene.started.set()
            await scene.go.wait()
            await self.tools.run.checkpoint("slow")

    await asyncio.gather(scene.quick(run), Grader().slow())


async def of_a_module(scene: Scene, run: Run) -> None:
    SHARED["run"] = run
    await asyncio.gather(scene.quick(run), with_the_shared_run(scene))


async def with_the_shared_run(scene: Scene) -> None:
    scene.started.set()
    await scene.go.wait()
    await SHARED["run"].checkpoint("slow")


async def in_a_generator(scene: Scene, run: Run) -> None:
    async def tokens() -> AsyncIterator[int]:
        scene.started.set()
        await scene.go.wait()
        for n in range(3):
            await run.safe_point()
            yield n

    async def slow(stream: AsyncIterator[int]) -> None:
        async for _ in stream:
            pass

    await asyncio.gather(scene.quick(run), slow(tokens()))


async def by_a_function_inside(scene: Scene, run: Run) -> None:
    async def slow() -> None:
        scene.started.set()
        await scene.go.wait()
        await (lambda: run.checkpoint("slow"))()

    await asyncio.gather(scene.quick(run), slow())


async def in_a_step(scene: Scene, run: Run) -> None:
    """Work that does not know the run."""

    async def graph() -> None:
        scene.started.set()
        await scene.go.wait()

    quick = asyncio.create_task(scene.quick(run))
    async with run.step("graph"), run.step("its only node"):
        await graph()
    await quick


BLOCKS = [
    in_a_task_group,
    gathered,
    waited_for,
    one_after_the_other,
    beside_calls_of_the_block,
    of_an_object,
    that_called_before,
    nested,
    that_was_given_a_call,
    that_was_given_part_of_a_call,
    of_an_object_of_an_object,
    of_a_module,
    in_a_generator,
    by_a_function_inside,
    in_a_step,
]


@pytest.mark.parametrize("block", BLOCKS)
async def test_a_pause_is_confirmed_when_no_part_is_at_work(
    pair: tuple[SessionManager, SessionManager], block: Block
) -> None:
    async with scene(pair, block) as seen:
        await seen.boss.pause(seen.session_id, **OLGA)
        await seen.says(2, 1)
        seen.go.set()
        await seen.confirmed()
        await seen.boss.resume(seen.session_id, **OTTO)
        await seen.confirmed()


async def test_each_part_that_stops_is_told(
    pair: tuple[SessionManager, SessionManager], sql: Sql
) -> None:
    second = asyncio.Event()

    async def three(scene: Scene, run: Run) -> None:
        async def slower() -> None:
            await second.wait()
            await run.checkpoint("slower")

        async with asyncio.TaskGroup() as group:
            for part in (scene.quick(run), scene.slow(run), slower()):
                group.create_task(part)

    async with scene(pair, three) as seen:
        await seen.boss.pause(seen.session_id, **OLGA)
        await seen.says(3, 2)
        seen.go.set()
        await seen.says(3, 1)
        second.set()
        await seen.confirmed()
        await seen.boss.resume(seen.session_id, **OTTO)
    kinds = [e["kind"] for e in await history(sql, seen.session_id)]
    assert kinds.count("parts") == 2
    assert kinds.count("acknowledged") == 2


async def test_a_part_that_ends_is_no_longer_waited_for(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    async def ends(scene: Scene, run: Run) -> None:
        async def slow() -> None:
            await run.safe_point()
            scene.started.set()
            await scene.go.wait()
            raise ZeroDivisionError

        await asyncio.gather(scene.quick(run), slow(), return_exceptions=True)

    async with scene(pair, ends) as seen:
        await seen.boss.pause(seen.session_id, **OLGA)
        await seen.says(2, 1)
        seen.go.set()
        await seen.confirmed()
        await seen.boss.resume(seen.session_id, **OTTO)


async def test_a_resume_before_the_pause_was_confirmed_is_confirmed_at_once(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    async with scene(pair, in_a_task_group) as seen:
        await seen.boss.pause(seen.session_id, **OLGA)
        await seen.says(2, 1)
        await seen.boss.resume(seen.session_id, **OTTO)
        await seen.confirmed()
        assert not seen.go.is_set()
        await seen.boss.pause(seen.session_id, **OLGA)
        await seen.says(2, 1)
        await seen.boss.resume(seen.session_id, **OTTO)


async def test_tasks_that_do_not_call_the_run_are_not_waited_for(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    """Else a pause would never be confirmed beside a library's own tasks."""

    async def beside(scene: Scene, run: Run) -> None:
        async def idles() -> None:
            scene.started.set()
            await asyncio.Event().wait()

        async def prints_progress() -> None:
            for _ in range(100_000):
                str(run.context)
                await asyncio.sleep(0.01)

        beside = [asyncio.create_task(idles()), asyncio.create_task(prints_progress())]
        await scene.quick(run)
        for task in beside:
            task.cancel()

    async with scene(pair, beside) as seen:
        await seen.boss.pause(seen.session_id, **OLGA)
        await seen.confirmed()
        await seen.boss.resume(seen.session_id, **OTTO)


async def test_a_block_that_waits_for_its_workers_queue_is_not_at_work(
    pair: tuple[SessionManager, SessionManager],
) -> None:
    async def queue(scene: Scene, run: Run) -> None:
        essays: asyncio.Queue[int] = asyncio.Queue()
        for n in range(100_000):
            essays.put_nowait(n)

        async def worker() -> None:
            while not scene.go.is_set():
                await run.checkpoint("essay_marked", {"n": await essays.get()})
                essays.task_done()

        workers = [asyncio.create_task(worker()) for _ in range(3)]
        await asyncio.sleep(0.05)
        await run.checkpoint("all are at work")
        scene.started.set()
        joined = asyncio.create_task(scene.go.wait())
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as limit:
                joined.add_done_callback(lambda _: limit.reschedule(0))
                await essays.join()
        await asyncio.gather(*workers)

    async with scene(pair, queue) as seen:
        await seen.boss.pause(seen.session_id, **OLGA)
        await seen.confirmed()
        await seen.boss.resume(seen.session_id, **OTTO)


@pytest.mark.parametrize("verb", ["rollback", "fail"])
async def test_an_order_that_ends_the_work_is_confirmed_when_the_work_has_ended(
    pair: tuple[SessionManager, SessionManager], verb: str
) -> None:
    told = asyncio.Event()

    async def stubborn(scene: Scene, run: Run) -> None:
        async def slow() -> None:
            await run.safe_point()
            scene.started.set()
            await scene.go.wait()

        async def quick() -> None:
            try:
                await scene.quick(run)
            finally:
                told.set()

        await asyncio.gather(quick(), slow(), return_exceptions=True)

    with pytest.raises(OrderReceived) as received:
        async with scene(pair, stubborn) as seen:
            await getattr(seen.boss, verb)(
                seen.session_id, 1 if verb == "rollback" else "why", **OLGA
            )
            await asyncio.wait_for(told.wait(), SOON)
            assert (await seen.record()).order_open
            seen.go.set()
            await seen.confirmed()
    assert isinstance(received.value, RolledBack) is (verb == "rollback")

"""Blocks of agents whose tasks share a run in different ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from agent_sessions import AgentSession, Run, SessionManager
from tests.support.waiting import HANGS

SOON = HANGS
OFTEN = 0.05  # seconds between heartbeats
SHARED: dict[str, Run] = {}


class Scene:
    """An agent's block with its parts, and an administrator."""

    def __init__(self, boss: SessionManager, session_id: str) -> None:
        self.boss, self.session_id = boss, session_id
        self.go = asyncio.Event()  # the slow part works until this is set
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
        """Stores a checkpoint, which is a safe point, all the time."""
        while not self.go.is_set():
            await asyncio.sleep(0.01)
            await run.checkpoint("quick")

    async def slow(self, run: Run) -> None:
        """Calls the run only at its end."""
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
    """A part that only awaits another part is not at work; the awaited one is."""

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
    """Work that does not call the run."""

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

"""A pause is confirmed when no part of the run is at work, and not before."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from agent_sessions import OrderReceived, RolledBack, Run, SessionManager
from tests.library.conftest import Make
from tests.library.part_blocks import BLOCKS, OFTEN, SOON, Block, Scene, in_a_task_group, scene
from tests.library.people import OLGA, OTTO, Sql, history


@pytest.fixture(params=["valkey", "heartbeat"])
async def pair(request: pytest.FixtureRequest, another: Make) -> tuple[SessionManager, Any]:
    valkey = request.param == "valkey"
    return await another(valkey=valkey, flush_seconds=OFTEN), await another(valkey=valkey)


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
    """Otherwise a library's own tasks would prevent the confirmation."""

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

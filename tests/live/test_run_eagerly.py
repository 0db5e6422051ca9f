"""A coroutine that does not wait needs no task; one that waits continues in a task."""

from __future__ import annotations

import asyncio

import pytest

from sessions_app.live.sockets import run_eagerly
from sessions_app.live.sockets.frames import Update


async def test_a_coroutine_that_does_not_wait_is_done_at_once() -> None:
    done = []

    async def act() -> None:
        done.append(True)

    assert run_eagerly.start(act()) is None
    assert done


async def test_a_coroutine_that_waits_goes_on_in_a_task() -> None:
    gate, seen = asyncio.Event(), []

    async def act() -> None:
        seen.append("begun")
        await gate.wait()
        await asyncio.sleep(0)
        seen.append("done")

    task = run_eagerly.start(act())
    assert task is not None and seen == ["begun"]
    gate.set()
    await task
    assert seen == ["begun", "done"]


async def test_a_cancelled_task_can_clean_up() -> None:
    seen = []

    async def act() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("tidied up")

    task = run_eagerly.start(act())
    assert task is not None
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["tidied up"]


async def test_any_awaitable_can_be_run() -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = run_eagerly.start(done)
    assert task is not None
    done.set_exception(ConnectionError())
    with pytest.raises(ConnectionError):
        await task


def test_pages_that_wait_together_share_what_is_merged() -> None:
    first, second, third = (Update(beats={"a": n}) for n in (1, 2, 3))
    assert first.merged(second) is first.merged(second)
    assert first.merged(second).beats == {"a": 2}
    assert first.merged(third).beats == {"a": 3}

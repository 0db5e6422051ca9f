"""SIGTERM and interruption: leaving a block before it ends by itself."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from agent_sessions import (
    Completed,
    Deleted,
    Failed,
    HandedBack,
    OrderReceived,
    RolledBack,
    SessionManager,
    TakenOver,
    UsageError,
)
from tests.library import owner_process
from tests.library.people import OLGA, Sql, history
from tests.library.test_owners import read
from tests.support.waiting import HANGS


async def test_sigterm_hands_the_session_back_at_the_next_safe_point(
    durable: SessionManager, database_url: str, valkey_url: str, sql: Sql
) -> None:
    session = await durable.create_session("grader")
    process = await owner_process.started(session.session_id, database_url, valkey_url)
    process.send_signal(signal.SIGTERM)
    assert await owner_process.said(process) == "HandedBack"
    assert await process.wait() == 0
    found = await read(durable, session.session_id)
    assert (found.state, found.owner_id) == ("active", None)
    assert found.handed_back_at is not None
    last = (await history(sql, session.session_id))[-1]
    assert (last["kind"], last["detail"]["why"]) == ("handed_back", "HandedBack")
    async with durable.attach(session.session_id, wait=0, complete=False) as run:
        assert run.session.epoch == 0
        assert (await read(durable, session.session_id)).handed_back_at is None


async def test_sigterm_does_not_wait_for_a_pause_to_end(
    durable: SessionManager, database_url: str, valkey_url: str
) -> None:
    session = await durable.create_session("grader")
    process = await owner_process.started(session.session_id, database_url, valkey_url)
    paused = await durable.pause(session.session_id, **OLGA)
    while (await read(durable, session.session_id)).acknowledged_version < paused.version:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert await owner_process.said(process) == "HandedBack"
    assert (await read(durable, session.session_id)).state == "paused"
    await process.wait()


async def test_what_is_asked_to_stop_stores_the_step_it_is_at(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(HandedBack):
        async with anywhere.attach(session.session_id) as run:
            run.stop()
            run.context["n"] = 1
            await run.checkpoint("essay_marked")
    found = await read(anywhere, session.session_id)
    assert (found.state, found.context) == ("active", {"n": 1})


async def test_sigterm_is_as_before_once_no_run_wants_it(manager: SessionManager) -> None:
    before = signal.getsignal(signal.SIGTERM)
    session = await manager.create_session("grader")
    async with manager.attach(session.session_id, stop_on_sigterm=True):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


async def test_a_sigterm_that_was_ignored_before_is_ignored_again() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        async with SessionManager() as manager:
            session = await manager.create_session("grader")
            async with manager.attach(session.session_id, stop_on_sigterm=True):
                assert signal.getsignal(signal.SIGTERM) != signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_of_the_main_thread_it_is_said_what_to_do() -> None:
    async def work() -> None:
        async with SessionManager() as manager:
            session = await manager.create_session("grader")
            async with manager.attach(session.session_id, stop_on_sigterm=True):
                pass

    async def elsewhere() -> None:
        await asyncio.to_thread(asyncio.run, work())

    with pytest.raises(UsageError, match=r"call run\.stop\(\)"):
        asyncio.run(elsewhere())


@pytest.mark.parametrize(
    ("verb", "arguments", "error"),
    [
        ("fail", ["wrong class"], Failed),
        ("complete", [], Completed),
        ("delete", [], Deleted),
        ("rollback", [1], RolledBack),
    ],
)
async def test_an_order_interrupts_a_block_without_safe_points(
    anywhere: SessionManager, verb: str, arguments: list[Any], error: type[OrderReceived]
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(error):
        async with anywhere.attach(session.session_id, interrupt=True):
            await getattr(anywhere, verb)(session.session_id, *arguments, **OLGA)
            await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    assert not (await read(anywhere, session.session_id)).order_open


async def test_another_process_that_takes_over_interrupts_a_block_too(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(TakenOver):
        async with anywhere.attach(session.session_id, interrupt=True):
            async with anywhere.attach(session.session_id, take_over=True, complete=False):
                async with asyncio.timeout(HANGS):
                    await asyncio.Event().wait()


async def test_a_pause_interrupts_no_block(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    async with anywhere.attach(session.session_id, interrupt=True) as run:
        await anywhere.pause(session.session_id, **OLGA)
        await asyncio.sleep(0.05)
        await anywhere.resume(session.session_id, **OLGA)
        await run.safe_point()


async def test_a_cancellation_of_somebody_else_stays_a_cancellation(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    started = asyncio.Event()

    async def work() -> None:
        async with anywhere.attach(session.session_id, interrupt=True):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await read(anywhere, session.session_id)).state == "active"


async def test_an_interruption_that_was_swallowed_is_raised_all_the_same(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(Failed):
        async with anywhere.attach(session.session_id, interrupt=True):
            await anywhere.fail(session.session_id, "wrong class", **OLGA)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass

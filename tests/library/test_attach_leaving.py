"""How an agent's work ends, and late writes."""

from __future__ import annotations

import asyncio
import logging

import pytest

from agent_sessions import (
    Completed,
    Conflict,
    Failed,
    RolledBack,
    SessionEnded,
    SessionManager,
    SessionNotFound,
    StaleEpoch,
)
from tests.library.conftest import Make
from tests.library.people import OLGA, Sql, history, names, row


async def state_of(manager: SessionManager, session_id: str) -> str:
    session = await manager.read(session_id)
    assert session is not None
    return session.state.value


async def test_leaving_completes_the_session(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    async with anywhere.attach(session.session_id) as run:
        await run.checkpoint("essay_marked")
    assert await state_of(anywhere, session.session_id) == "completed"
    assert (await names(anywhere, session.session_id))[-1] == "session_completed"


async def test_leaving_leaves_it_open_where_that_is_wanted(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    async with anywhere.attach(session.session_id, complete=False):
        pass
    assert await state_of(anywhere, session.session_id) == "active"


@pytest.mark.parametrize("end", ["complete", "fail"])
async def test_an_agent_may_say_itself_how_it_ended(anywhere: SessionManager, end: str) -> None:
    session = await anywhere.create_session("grader")
    async with anywhere.attach(session.session_id) as run:
        if end == "complete":
            await run.complete({"essays": 3})
        else:
            await run.fail("no paper", {"tray": 2})
    found = await anywhere.read(session.session_id)
    assert found is not None
    last = found.checkpoints[-1]
    if end == "complete":
        assert (found.state, last.data) == ("completed", {"result": {"essays": 3}})
    else:
        assert (found.state, last.data) == ("failed", {"error": "no paper", "details": {"tray": 2}})


async def test_an_exception_fails_the_session_with_that_error(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(ZeroDivisionError):
        async with anywhere.attach(session.session_id) as run:
            run.session.checkpoint("never stored before")
            print(1 / 0)
    found = await anywhere.read(session.session_id)
    assert found is not None and found.state == "failed"
    data = found.checkpoints[-1].data
    assert data["error"] == "ZeroDivisionError: division by zero"
    assert "print(1 / 0)" in data["details"]["traceback"]


async def test_cancelling_the_agent_fails_nothing(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    started = asyncio.Event()

    async def work() -> None:
        async with anywhere.attach(session.session_id):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await state_of(anywhere, session.session_id) == "active"


async def test_ctrl_c_fails_nothing(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    run = anywhere.attach(session.session_id)
    await run.__aenter__()
    error = KeyboardInterrupt()
    assert not await _leaves(run, error)
    assert await state_of(anywhere, session.session_id) == "active"


async def _leaves(run: object, error: BaseException) -> bool:
    try:
        return bool(await run.__aexit__(type(error), error, None))  # type: ignore[attr-defined]
    except KeyboardInterrupt:
        return False


async def test_who_attaches_to_what_has_ended_is_told(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    await anywhere.complete(session.session_id, **OLGA)
    with pytest.raises(Completed):
        async with anywhere.attach(session.session_id):
            pass
    with pytest.raises(SessionNotFound, match="there is no session 0000"):
        async with anywhere.attach("00000000-0000-4000-8000-000000000000"):
            pass


async def test_a_late_write_is_refused_counted_and_explained(
    durable: SessionManager, sql: Sql
) -> None:
    session = await durable.create_session("grader")
    late = await durable.read(session.session_id)
    assert late is not None
    await durable.fail(session.session_id, "why", **OLGA)
    before = await row(sql, session.session_id)
    for n in range(3):
        late.checkpoint("essay_marked", {"n": n})
        late.context["n"] = n
        with pytest.raises(StaleEpoch) as refused:
            await durable.update_session(late)
        assert str(refused.value) == (
            f"session {session.session_id}: olga ordered fail "
            "after this copy was read; the write was refused"
        )
    after = await row(sql, session.session_id)
    assert (after["refused_writes"], after["state"]) == (3, "failed")
    assert (after["context"], after["ended_at"]) == (before["context"], before["ended_at"])
    refusals = [e for e in await history(sql, session.session_id) if e["kind"] == "refused"]
    assert len(refusals) == 1
    assert refusals[0]["detail"]["refused"]["checkpoint"] == "essay_marked"
    assert await names(durable, session.session_id) == ["session_created", "session_failed"]


async def test_a_late_write_to_what_another_agent_finished_is_refused(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    late = await anywhere.read(session.session_id)
    assert late is not None
    session.complete()
    await anywhere.update_session(session)
    late.checkpoint("essay_marked")
    with pytest.raises(SessionEnded, match="is completed: the write was refused"):
        await anywhere.update_session(late)
    found = await anywhere.read(session.session_id)
    assert found is not None and found.refused_writes == 1


async def test_a_beat_after_the_end_changes_nothing(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    ended = await anywhere.fail(session.session_id, "why", **OLGA)
    answer = await anywhere.heartbeat(session.session_id)
    assert answer.state == "failed" and answer.version == ended.version
    await anywhere.tick()
    after = await anywhere.read(session.session_id)
    assert after is not None
    assert after.last_heartbeat == ended.last_heartbeat and after.ended_at == ended.ended_at


async def test_beats_that_were_waiting_when_the_session_ended_change_nothing(
    another: Make, sql: Sql
) -> None:
    agent, boss = await another(flush_seconds=3600), await another()
    session = await agent.create_session("grader")
    await agent.heartbeat(session.session_id)
    await boss.complete(session.session_id, **OLGA)
    before = await row(sql, session.session_id)
    await agent.tick()
    await agent.tick()
    assert await row(sql, session.session_id) == before


async def test_a_late_agent_of_a_rolled_back_session_cannot_complete_it(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(RolledBack):
        async with anywhere.attach(session.session_id) as run:
            await run.checkpoint("essay_marked", {"essay": 1})
            await anywhere.rollback(session.session_id, 1, **OLGA)
            # without a safe point: leaving the block acts as one
    assert await state_of(anywhere, session.session_id) == "active"


async def test_a_block_that_ends_after_the_session_was_failed_says_so(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(Failed):
        async with anywhere.attach(session.session_id) as run:
            await anywhere.fail(session.session_id, "why", **OLGA)
            await run.complete({"essays": 3})
    assert await state_of(anywhere, session.session_id) == "failed"


async def test_an_error_that_cannot_be_written_down_as_it_is_still_fails_the_session(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(FileNotFoundError):
        async with anywhere.attach(session.session_id) as run:
            run.context["mean"] = float("nan")
            raise FileNotFoundError("aufsatz-\udce4\x00.txt")
    found = await anywhere.read(session.session_id)
    assert found is not None and found.state == "failed"
    assert found.checkpoints[-1].data["error"] == r"FileNotFoundError: aufsatz-\udce4\x00.txt"


async def test_a_conflict_leaves_the_session_open_and_says_so(
    anywhere: SessionManager, caplog: pytest.LogCaptureFixture
) -> None:
    session = await anywhere.create_session("grader", context={"grade": 1})
    other = await anywhere.read(session.session_id)
    assert other is not None
    with caplog.at_level(logging.WARNING), pytest.raises(Conflict) as met:
        async with anywhere.attach(session.session_id) as run:
            other.context["grade"] = 2
            await anywhere.update_session(other)
            run.context["grade"] = 3
            await run.checkpoint("essay_marked")
    found = await anywhere.read(session.session_id)
    assert found is not None and found.state == "active"
    assert found.context == {"grade": 2}
    assert f"session {session.session_id} stays open" in caplog.text
    assert met.value.__notes__ == [
        "changes since the last save were not stored: the next attempt starts from that save",
        f"session {session.session_id} stays open: attach again to go on",
    ]


async def test_a_wrapped_conflict_leaves_the_session_open_too(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    met = Conflict(None)
    with pytest.raises(ExceptionGroup):
        async with anywhere.attach(session.session_id):
            raise ExceptionGroup("two tools", [met, ExceptionGroup("one tool", [met])])
    with pytest.raises(RuntimeError):
        async with anywhere.attach(session.session_id):
            raise RuntimeError("a tool failed") from met
    assert await state_of(anywhere, session.session_id) == "active"


async def test_an_error_beside_a_conflict_fails_the_session(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(ExceptionGroup):
        async with anywhere.attach(session.session_id):
            raise ExceptionGroup("two tools", [Conflict(None), ZeroDivisionError("division")])
    assert await state_of(anywhere, session.session_id) == "failed"

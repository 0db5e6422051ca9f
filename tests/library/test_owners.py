"""One process at a time works on a session: its lease, waiting processes, and what ends a lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from agent_sessions import (
    AgentSession,
    Completed,
    HandedBack,
    Run,
    SessionManager,
    SessionOwned,
    TakenOver,
    UsageError,
)
from tests.library import owner_process
from tests.library.conftest import Make
from tests.library.people import OLGA, Sql, history, row, rows
from tests.support.waiting import HANGS

ELSEWHERE = "another machine:7:1:a run"


async def read(manager: SessionManager, session_id: str) -> AgentSession:
    found = await manager.read(session_id)
    assert found is not None
    return found


async def owned_elsewhere(sql: Sql, session_id: str, seconds: int) -> None:
    """Gives the session to an agent on another machine, whose lease has `seconds` left."""
    await sql.execute(
        "UPDATE agent_sessions SET owner_id = %s, owner_name = 'other, process 7', owner_since = now(),"
        " owner_timeline = agent_session_timeline(), lease_until = now() + make_interval(secs => %s) WHERE id = %s",
        (ELSEWHERE, seconds, session_id),
    )


@asynccontextmanager
async def second_comer(
    manager: SessionManager, session_id: str
) -> AsyncIterator[asyncio.Task[int]]:
    """A task that waits for the session in `attach`; its result is the context's `n` once it has the session."""

    async def work() -> int:
        async with manager.attach(session_id, complete=False) as run:
            return int(run.context["n"])

    task = asyncio.create_task(work())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_owner_is_known_by_process_and_host_since_when_and_until_when(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    async with anywhere.attach(session.session_id, complete=False) as run:
        found = await read(anywhere, session.session_id)
        assert found.owner_id == run.lease.owner_id
        assert found.owner_name is not None and ", process " in found.owner_name
        assert found.owner_since is not None and found.lease_until is not None
        assert (found.lease_until - found.owner_since).total_seconds() == 30
    left = await read(anywhere, session.session_id)
    assert (left.owner_id, left.owner_name, left.owner_since, left.lease_until) == (None,) * 4
    assert left.handed_back_at is not None


async def test_heartbeats_renew_the_lease_of_the_owner_and_of_nobody_else(
    durable: SessionManager, sql: Sql
) -> None:
    session = await durable.create_session("grader")
    async with asyncio.timeout(HANGS), durable.attach(session.session_id, complete=False):
        await sql.execute("UPDATE agent_sessions SET lease_until = now() + interval '1 s'")
        while await _seconds_of_lease(sql, session.session_id) < 20:
            await durable.heartbeat(session.session_id)
            await asyncio.sleep(0)
        await owned_elsewhere(sql, session.session_id, 7)
        before = (await row(sql, session.session_id))["last_heartbeat"]
        while (await row(sql, session.session_id))["last_heartbeat"] == before:
            await durable.heartbeat(session.session_id)
            await asyncio.sleep(0)
        assert await _seconds_of_lease(sql, session.session_id) <= 7


async def _seconds_of_lease(sql: Sql, session_id: str) -> float:
    [found] = await rows(
        sql,
        "SELECT extract(epoch FROM lease_until - now())::float8 AS left FROM agent_sessions WHERE id = %s",
        session_id,
    )
    return float(found["left"])


async def test_a_second_process_ends_with_an_error_and_the_first_works_on(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    async with anywhere.attach(session.session_id) as run:
        with pytest.raises(SessionOwned) as refused:
            async with anywhere.attach(session.session_id, wait=0):
                pytest.fail("two are at work on one session")
        assert refused.value.owner_name == run.lease.owner_name
        assert refused.value.lease_until is not None
        run.context["n"] = 1
        await run.checkpoint("essay_marked")
    found = await read(anywhere, session.session_id)
    assert (found.state, found.context, found.epoch) == ("completed", {"n": 1}, 0)


async def test_by_default_an_owner_that_renews_its_lease_is_not_waited_for(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader", context={"n": 1})
    async with (
        anywhere.attach(session.session_id) as run,
        second_comer(anywhere, session.session_id) as second,
    ):
        while not second.done():
            await run.tick()
            await anywhere.tick()
            await asyncio.sleep(0.01)
        assert isinstance(second.exception(), SessionOwned)


async def test_who_waits_goes_on_with_what_the_owner_left(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader", context={"n": 1})
    async with anywhere.attach(session.session_id, complete=False) as run:
        waiting = second_comer(anywhere, session.session_id)
        second = await waiting.__aenter__()
        run.context["n"] = 2
        await run.save()
        assert not second.done()
    assert await second == 2
    await waiting.__aexit__(None, None, None)


async def test_taking_over_sends_the_first_one_away(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader", context={"n": 1})

    async def first(run: Run) -> None:
        run.context["n"] = 2
        await run.checkpoint("essay_marked")

    with pytest.raises(TakenOver, match=r"was taken over by .*, process"):
        async with anywhere.attach(session.session_id) as run:
            async with anywhere.attach(session.session_id, take_over=True, complete=False) as new:
                assert new.session.epoch == 1
                with pytest.raises(TakenOver):
                    await first(run)
                new.context["n"] = 3
                await new.checkpoint("essay_marked")
    found = await read(anywhere, session.session_id)
    assert (found.state, found.context, found.refused_writes) == ("active", {"n": 3}, 1)


async def test_who_was_taken_over_confirms_no_order_of_the_new_owner(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    old = anywhere.attach(session.session_id)
    run = await old.__aenter__()
    async with anywhere.attach(session.session_id, take_over=True, complete=False):
        await anywhere.pause(session.session_id, **OLGA)
        with pytest.raises(TakenOver):
            await run.safe_point()
        assert (await read(anywhere, session.session_id)).order_open
        await anywhere.resume(session.session_id, **OLGA)
    with pytest.raises(TakenOver):
        await old.__aexit__(None, None, None)


async def test_a_lease_ends_by_the_clock_of_the_database(durable: SessionManager, sql: Sql) -> None:
    session = await durable.create_session("grader")
    await owned_elsewhere(sql, session.session_id, 3600)
    with pytest.raises(SessionOwned, match="worked on by other, process 7"):
        async with durable.attach(session.session_id, wait=0):
            pass
    await owned_elsewhere(sql, session.session_id, 0)
    async with durable.attach(session.session_id, complete=False) as run:
        assert run.session.epoch == 1  # the former owner may still write
    taken = [e for e in await history(sql, session.session_id) if e["kind"] == "taken_over"]
    assert [e["detail"]["before"] for e in taken] == ["other, process 7"]


async def test_a_killed_process_is_not_waited_for_on_its_own_machine(
    durable: SessionManager, database_url: str, valkey_url: str
) -> None:
    session = await durable.create_session("grader")
    process = await owner_process.started(session.session_id, database_url, valkey_url)
    with pytest.raises(SessionOwned):
        async with durable.attach(session.session_id, wait=0):
            pass
    process.kill()
    await process.wait()
    async with durable.attach(session.session_id, wait=0, complete=False) as run:
        assert run.context["steps"] >= 1
    assert (await read(durable, session.session_id)).state == "active"


async def test_beats_renew_the_lease_and_make_no_version(durable: SessionManager, sql: Sql) -> None:
    session = await durable.create_session("grader")
    async with durable.attach(session.session_id, complete=False) as run:
        before = await row(sql, session.session_id)
        await run.tick()
        await durable.tick()
        after = await row(sql, session.session_id)
        assert after["lease_until"] > before["lease_until"]
        assert after["version"] == before["version"]


async def test_after_an_outage_longer_than_the_lease_the_owner_goes_on_where_nobody_came(
    durable: SessionManager, sql: Sql
) -> None:
    session = await durable.create_session("grader")
    async with durable.attach(session.session_id, complete=False) as run:
        await sql.execute("UPDATE agent_sessions SET lease_until = now() - interval '1 hour'")
        await run.tick()
        await durable.tick()
        found = await sql.execute("SELECT lease_until > now() FROM agent_sessions")
        assert await found.fetchone() == (True,)
        await run.checkpoint("essay_marked")


async def test_after_an_outage_a_replaced_owner_leaves(another: Make, sql: Sql) -> None:
    first, second = await another(), await another(valkey=False)
    session = await first.create_session("grader")
    with pytest.raises(TakenOver):
        async with first.attach(session.session_id) as run:
            await sql.execute("UPDATE agent_sessions SET lease_until = now() - interval '1 hour'")
            async with second.attach(session.session_id, complete=False) as new:
                await run.tick()
                await first.tick()
                assert (await row(sql, session.session_id))["owner_id"] == new.lease.owner_id
                await run.checkpoint("essay_marked")
    assert "essay_marked" not in [c.name for c in await second.get_checkpoints(session.session_id)]


async def test_a_restored_database_honours_no_lease(durable: SessionManager, sql: Sql) -> None:
    session = await durable.create_session("grader")
    await owned_elsewhere(sql, session.session_id, 3600)
    await sql.execute("SELECT agent_session_new_timeline()")
    async with durable.attach(session.session_id, wait=0, complete=False) as run:
        assert run.session.epoch == 0


async def test_a_session_that_ended_is_said_to_have_ended_whoever_has_it(
    durable: SessionManager, sql: Sql
) -> None:
    session = await durable.create_session("grader")
    await owned_elsewhere(sql, session.session_id, 3600)
    await durable.complete(session.session_id, **OLGA)
    with pytest.raises(Completed):
        async with durable.attach(session.session_id):
            pass


@pytest.mark.parametrize("handed_back", [False, True])
async def test_a_task_that_was_left_behind_does_not_work_beside_the_next_owner(
    anywhere: SessionManager, handed_back: bool
) -> None:
    session = await anywhere.create_session("grader", context={"n": 0})
    left: Run | None = None
    with suppress(HandedBack):
        async with anywhere.attach(session.session_id, complete=False) as left:
            await left.checkpoint("begun")
            if handed_back:
                left.stop()
                await left.safe_point()
    assert left is not None
    async with anywhere.attach(session.session_id, complete=False, wait=0) as run:
        left.context["n"] = 1
        for call in (left.checkpoint("late"), left.save(), left.safe_point(), left.complete()):
            with pytest.raises(HandedBack if handed_back else UsageError):
                await call
        await run.checkpoint("next")
    found = await read(anywhere, session.session_id)
    assert (found.context, found.state) == ({"n": 0}, "active")
    assert [c.name for c in found.checkpoints] == ["session_created", "begun", "next"]

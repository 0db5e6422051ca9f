"""A manager used where it cannot work raises immediately and says what to do."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg
import psycopg_pool
import pytest
import redis

from agent_sessions import (
    AgentSession,
    InvalidInput,
    SessionManager,
    StorageUnavailable,
    UsageError,
)
from tests.support.waiting import HANGS

FORKED = """
import asyncio, os, sys
from agent_sessions import SessionManager, UsageError

async def connect():
    manager = await SessionManager.connect(os.environ["DATABASE_URL"], os.environ["VALKEY_URL"])
    session = await manager.create_session("fork")
    await manager.heartbeat(session.session_id)
    return manager, session

async def work(manager, session):
    calls = [
        lambda: manager.create_session("fork"), lambda: manager.heartbeat(session.session_id),
        lambda: manager.update_session(session), lambda: manager.get_session(session.session_id),
        lambda: manager.pause(session.session_id, actor="a"), lambda: manager.head(session.session_id),
        lambda: manager.attach(session.session_id).__aenter__(), lambda: manager.get_active_sessions(),
    ]
    for call in calls:
        try:
            await asyncio.wait_for(call(), 120)
        except UsageError as error:
            assert "after the fork" in str(error), error
        else:
            raise SystemExit("a call went through")

parts = asyncio.new_event_loop().run_until_complete(connect())
child = os.fork()
if child == 0:
    code = 1
    try:
        asyncio.run(work(*parts))
        code = 0
    finally:
        os._exit(code)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_after_a_fork_every_call_says_to_make_a_manager_in_each_process(
    database_url: str, valkey_url: str
) -> None:
    run_alone(FORKED, database_url, valkey_url)


CLOSED = """
import asyncio, os, sys
from agent_sessions import SessionManager

async def child(manager):
    async with asyncio.timeout(20):
        await manager.close()

async def main():
    async with await SessionManager.connect(os.environ["DATABASE_URL"], os.environ["VALKEY_URL"]) as manager:
        session = await manager.create_session("fork")
        async with manager.attach(session.session_id, interval=0.1, complete=False) as run:
            await run.checkpoint("one", {})
            pid = os.fork()
            if pid == 0:
                asyncio.run(child(manager))
                os._exit(0)
            assert await asyncio.to_thread(os.waitpid, pid, 0) == (pid, 0)
            await run.checkpoint("two", {})

asyncio.run(main())
"""
# The child skips the rest of asyncio.run, which would cancel the parent's tasks on sockets that both have.
LEFT = """
import asyncio, os, sys
from agent_sessions import SessionManager

async def main():
    async with await SessionManager.connect(os.environ["DATABASE_URL"], os.environ["VALKEY_URL"]) as manager:
        session = await manager.create_session("fork")
        async with manager.attach(session.session_id, complete=False, OPTIONS) as run:
            await run.checkpoint("one", {})
            pid = os.fork()
            if pid == 0:
                LEAVE
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert code == CODE, code
            assert (await manager.read(session.session_id)).owner_id == run.lease.owner_id
            await run.checkpoint("two", {})

async def as_a_child_leaves():
    parent = os.getpid()
    try:
        await main()
    except BaseException as error:
        if os.getpid() != parent:
            os._exit(0 if isinstance(error, SystemExit) else 1)
        raise

asyncio.run(as_a_child_leaves())
"""
LEAVINGS = {
    "sys.exit(0)": 0,
    "raise ValueError('of the child')": 1,
}


def run_alone(program: str, database_url: str, valkey_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "DATABASE_URL": database_url, "VALKEY_URL": valkey_url},
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    assert done.returncode == 0, done.stderr


def test_a_child_that_closes_its_parents_manager_closes_nothing(
    database_url: str, valkey_url: str
) -> None:
    run_alone(CLOSED, database_url, valkey_url)


@pytest.mark.parametrize("options", ["interval=1", "stop_on_sigterm=True, interrupt=True"])
@pytest.mark.parametrize("leave", LEAVINGS)
def test_a_child_that_leaves_its_parents_block_gives_nothing_back(
    database_url: str, valkey_url: str, leave: str, options: str
) -> None:
    program = LEFT.replace("LEAVE", leave).replace("CODE", str(LEAVINGS[leave]))
    run_alone(program.replace("OPTIONS", options), database_url, valkey_url)


def test_one_manager_in_two_event_loops_is_refused() -> None:
    manager = SessionManager()
    session = asyncio.run(manager.create_session("grader"))
    with pytest.raises(UsageError, match=r"one asyncio\.run for all"):
        asyncio.run(manager.heartbeat(session.session_id))


CALLS_IN_ANOTHER_LOOP: list[Callable[[SessionManager, AgentSession], Awaitable[object]]] = [
    lambda m, s: m.edit(s.session_id, context={}, seen_version=1, actor="olga"),
    lambda m, s: m.preview_edit(s.session_id, context={}, seen_version=1),
    lambda m, s: m.preview_rollback(s.session_id, 1),
    lambda m, s: m.renew(s),
    lambda m, s: m.restart_point(s),
    lambda m, s: m.count_beats([0]),
    lambda m, s: m.count_attempt(s, 1, {}),
    lambda m, s: m.report_parts(s.session_id, 1, 1, 1),
    lambda m, s: m.fail_silent(s.session_id, timedelta(hours=1)),
]


@pytest.mark.parametrize("call", CALLS_IN_ANOTHER_LOOP)
def test_every_call_in_another_loop_is_refused(
    call: Callable[[SessionManager, AgentSession], Awaitable[object]],
) -> None:
    manager = SessionManager()
    session = asyncio.run(manager.create_session("grader"))

    async def elsewhere() -> None:
        await call(manager, session)

    with pytest.raises(UsageError, match=r"one asyncio\.run for all"):
        asyncio.run(elsewhere())


def test_attach_outside_of_an_event_loop_says_where_it_belongs() -> None:
    manager = SessionManager()
    session = asyncio.run(manager.create_session("grader"))
    with pytest.raises(UsageError, match="no event loop"):
        manager.attach(session.session_id)


class PoolOfAnotherLibrary:
    """A pool like asyncpg.Pool: with `acquire`, without `getconn`."""

    async def acquire(self) -> None: ...


@pytest.mark.parametrize("pool", [PoolOfAnotherLibrary(), object(), "postgresql://localhost/x"])
def test_a_pool_of_another_library_is_refused_when_it_is_handed_in(pool: Any) -> None:
    with pytest.raises(UsageError, match="AsyncConnectionPool is needed"):
        SessionManager(db_pool=pool)


def test_a_synchronous_pool_is_refused_when_it_is_handed_in(database_url: str) -> None:
    with psycopg_pool.ConnectionPool(database_url, min_size=1, open=False) as pool:
        with pytest.raises(UsageError, match="AsyncConnectionPool is needed"):
            SessionManager(db_pool=pool)  # type: ignore[arg-type]


@pytest.mark.parametrize("client", [redis.Redis(), object(), "redis://localhost"])
def test_a_synchronous_client_is_refused_when_it_is_handed_in(client: Any) -> None:
    with pytest.raises(UsageError, match=r"redis\.asyncio\.Redis is needed"):
        SessionManager(redis_client=client)


async def test_what_is_no_address_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidInput, match="address cannot be read"):
        await SessionManager.connect("postgresql://localhost/x?no_such_option=1")


async def test_a_server_that_refuses_the_log_in_is_quoted(database_url: str) -> None:
    address = psycopg.conninfo.make_conninfo(database_url, dbname="not_there")
    with pytest.raises(StorageUnavailable, match='database "not_there" does not exist'):
        await SessionManager.connect(address)


async def test_a_pool_that_was_never_opened_is_named(database_url: str) -> None:
    pool: psycopg_pool.AsyncConnectionPool = psycopg_pool.AsyncConnectionPool(
        database_url, open=False
    )
    manager = SessionManager(db_pool=pool, retry_seconds=0.1)
    with pytest.raises(StorageUnavailable, match="not open"):
        await manager.create_session("grader")

"""No error of psycopg, redis or asyncio leaves the library, whatever PostgreSQL and Valkey do.

`CALLS_RAISE=all` tries every fault; the default only quick ones.
"""

from __future__ import annotations

import asyncio
import gc
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from agent_sessions import CheckpointManager, Run, SessionError, SessionManager, schema
from agent_sessions.conversation import ConversationConfig, ConversationManager
from tests.library.call_faults import FAULTS, STRANGER, Fault, Servers
from tests.library.call_rows import APART, ROWS, Scene, public_methods
from tests.library.own_valkey import OwnValkey

CLASSES = (SessionManager, ConversationManager, CheckpointManager, Run)
ENDLESS = 90  # seconds after which a call counts as endless
TRIED = [f for f in FAULTS if not f.slow or os.environ.get("CALLS_RAISE") == "all"]


def test_every_public_method_has_a_row() -> None:
    public = {(kind, name) for kind in CLASSES for name in public_methods(kind)}
    assert public == ROWS.keys() | APART


@pytest.fixture(scope="module")
def own_database(migrated: str) -> Iterator[tuple[str, str]]:
    name = f"calls_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        with suppress(psycopg.errors.DuplicateObject):
            connection.execute(f"CREATE ROLE {STRANGER} NOLOGIN".encode())
        url = make_conninfo(migrated, dbname=name)
        schema.migrate(url)
        yield name, url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE {STRANGER}".encode())


@pytest.fixture
async def own(own_database: tuple[str, str], migrated: str) -> AsyncIterator[Servers]:
    valkey = OwnValkey()
    await valkey.start()
    async with await psycopg.AsyncConnection.connect(migrated, autocommit=True) as admin:
        yield Servers(admin, *own_database, valkey)
    valkey.remove()


@pytest.fixture
def unheard(event_loop_exceptions: list[str]) -> list[str]:
    return event_loop_exceptions


@pytest.fixture
async def event_loop_exceptions() -> list[str]:
    """Errors that asyncio reports instead of raising, as of tasks that are never awaited."""
    gc.collect()  # what earlier tests left behind is reported before, and not here
    found: list[str] = []

    def note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        found.append(f"{context['message']}: {context.get('exception')!r}")

    asyncio.get_running_loop().set_exception_handler(note)
    return found


async def failure_of(name: str, call: Any) -> str | None:
    """What is wrong with the error that the call raised; None if nothing is."""
    try:
        async with asyncio.timeout(ENDLESS):
            await call()
    except SessionError as error:
        return None if str(error).strip() else f"{name}: {type(error).__name__} says nothing"
    except TimeoutError:
        return f"{name}: did not end"
    except BaseException as error:
        return f"{name}: {type(error).__module__}.{type(error).__name__}: {error}"
    return None


def urls(own: Servers, store: str) -> tuple[str | None, str | None]:
    return (own.database_url if store != "valkey" else None), own.valkey.url


async def faulty_calls(own: Servers, fault: Fault, store: str) -> list[str]:
    """Runs every call during the fault, then connects and closes."""
    connected = await SessionManager.connect(*urls(own, store), retry_seconds=0.3)
    closed = await SessionManager.connect(*urls(own, store), retry_seconds=0.3)
    config = ConversationConfig(valkey_url=own.valkey.url, retry_first_seconds=0.05)
    talking, stopped = ConversationManager(config), ConversationManager(config)
    async with AsyncExitStack() as stack:
        scene = Scene(connected, talking, stack)
        await stopped.start()
        await stopped.add_turn_to_session("talk-stop", "why?", "because")
        session = await closed.create_session("grader")
        await closed.heartbeat(session.session_id)
        calls = await prepared(scene)
        await fault.begin(own)
        found = await asyncio.gather(
            *(failure_of(name, call) for name, call in calls.items()), fault.meanwhile(own)
        )
        found += await asyncio.gather(
            failure_of("connect", lambda: connect_and_close(own, store)),
            failure_of("close", closed.close),
            failure_of("stop", stopped.stop),
        )
        await fault.end(own)
    found.append(await failure_of("closing afterwards", connected.close))
    found.append(await failure_of("stopping afterwards", talking.stop))
    return [what for what in found if what is not None]


async def prepared(scene: Scene) -> dict[str, Any]:
    names = [f"{kind.__name__}.{name}" for kind, name in ROWS]
    calls = await asyncio.gather(*(prepare(scene) for prepare in ROWS.values()))
    return dict(zip(names, calls, strict=True))


async def connect_and_close(own: Servers, store: str) -> None:
    manager = await SessionManager.connect(*urls(own, store))
    await manager.close()


CASES = [(fault, "both") for fault in TRIED] + [(f, "valkey") for f in TRIED if f.of_valkey]


@pytest.mark.parametrize(("fault", "store"), CASES, ids=[f"{f.name}-{s}" for f, s in CASES])
async def test_calls_raise_errors_of_the_library_only(
    own: Servers, fault: Fault, store: str, unheard: list[str]
) -> None:
    assert await faulty_calls(own, fault, store) == []
    gc.collect()
    await asyncio.sleep(0)
    assert unheard == []

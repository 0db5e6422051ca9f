"""Restores and fail-overs count versions again: everything known from before is invalid."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis.asyncio
from psycopg.conninfo import make_conninfo

from agent_sessions import AgentSession, SessionManager, schema
from agent_sessions.errors import Conflict, Restored, RolledBack, TimelineChanged
from tests.support import runbook
from tests.support.waiting import HANGS

Connect = Callable[..., Awaitable[SessionManager]]


class Database:
    """A database of the test, dumped and restored as documented."""

    def __init__(self, url: str, server: str, folder: Path) -> None:
        self.url, self._server, self._folder = url, server, folder

    def dump(self) -> None:
        self._run(runbook.block("pg_dump"))

    def restore(self) -> None:
        """Restores over the existing database."""
        said = self._run(runbook.block("--clean"))
        assert "ERROR" not in said

    def restore_anew(self) -> None:
        """Restores into a new database of the same name."""
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute("DROP DATABASE scratch WITH (FORCE)")
        self._run(runbook.block("createdb"))

    def _run(self, lines: str) -> str:
        urls = {"DATABASE_URL": self.url, "NEW_DATABASE": "scratch"}
        return runbook.run(lines, self._folder, self._server, **urls)

    def write(self, session_id: str, times: int) -> None:
        """Writes as psql does, without an announcement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for n in range(times):
                connection.execute(
                    "UPDATE agent_sessions SET context = jsonb_build_object('line', 'restored', 'n', %s::int)"
                    " WHERE id = %s",
                    (n, session_id),
                )

    def execute(self, sql: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql)

    def timeline(self) -> str:
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT agent_session_timeline()").fetchone()
            assert row is not None
            return str(row[0])


@pytest.fixture
def database(migrated: str, tmp_path: Path) -> Any:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS scratch WITH (FORCE)")
        connection.execute("CREATE DATABASE scratch")
    url = make_conninfo(migrated, dbname="scratch")
    schema.migrate(url)
    yield Database(url, migrated, tmp_path)
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("DROP DATABASE scratch WITH (FORCE)")


@pytest.fixture
async def connect(database: Database, valkey_url: str) -> AsyncIterator[Connect]:
    made: list[SessionManager] = []

    async def manager(*, valkey: bool = True) -> SessionManager:
        one = await SessionManager.connect(database.url, valkey_url if valkey else None)
        made.append(one)
        return one

    yield manager
    for each in made:
        await each.close()


async def lost(manager: SessionManager, database: Database) -> AgentSession:
    """A session at version 4 of a lost timeline; the dump has version 1."""
    session = await manager.create_session("tutor", context={"line": "before"})
    database.dump()
    for n in range(3):
        session.context.update(line="lost", n=n)
        await manager.update_session(session)
    assert session.version == 4
    return session


RESTORES = [Database.restore, Database.restore_anew]


@pytest.mark.parametrize("restore", RESTORES, ids=lambda f: f.__name__)
async def test_after_a_restore_no_copy_of_the_lost_timeline_is_served(
    connect: Connect, database: Database, restore: Callable[[Database], None]
) -> None:
    """Writes in psql bring the row to the version of the lost copies."""
    manager, reader = await connect(), await connect()
    session = await lost(manager, database)
    copied = await reader.get_session(session.session_id)  # also into Valkey
    assert copied is not None
    assert copied.context == session.context
    await reader.tick()
    await asyncio.to_thread(restore, database)
    database.write(session.session_id, 3)
    fresh = await connect()
    for one in (manager, reader, fresh):
        got = await one.get_session(session.session_id)
        assert got is not None
        assert (got.version, got.context) == (4, {"line": "restored", "n": 2})
    got = await fresh.get_session(session.session_id)
    assert got is not None
    got.context["note"] = "kept"
    await fresh.update_session(got)
    stored = await reader.get_session(session.session_id)
    assert stored is not None
    assert stored.context == {"line": "restored", "n": 2, "note": "kept"}


@pytest.mark.parametrize("restore", RESTORES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("what", ["checkpoint", "context", "metadata", "state"])
async def test_a_copy_of_the_lost_timeline_is_never_written_over_a_restored_row(
    connect: Connect, database: Database, restore: Callable[[Database], None], what: str
) -> None:
    manager = await connect()
    session = await lost(manager, database)
    await asyncio.to_thread(restore, database)
    database.write(session.session_id, 3)
    if what == "checkpoint":
        session.checkpoint("marked")
    elif what == "context":
        session.context["mine"] = 1
    elif what == "metadata":
        session.metadata["mine"] = 1
    else:
        session.complete()
    with pytest.raises(TimelineChanged, match="restored or failed over"):
        await manager.update_session(session)
    stored = await manager.read(session.session_id)
    assert stored is not None
    assert (stored.version, stored.refused_writes) == (4, 0)
    assert stored.context == {"line": "restored", "n": 2}


@pytest.mark.parametrize("valkey", [True, False])
async def test_the_documented_loop_attaches_anew_and_goes_on_from_what_was_restored(
    connect: Connect, database: Database, valkey: bool
) -> None:
    manager = await connect(valkey=valkey)
    session_id = (await manager.create_session("grader", context={"marks": {}})).session_id
    marked: list[int] = []
    while True:
        try:
            async with manager.attach(session_id) as run:
                last = run.restarted_from or run.last_checkpoint("essay_marked")
                for number in range(last.data["number"] if last else 0, 5):
                    run.context["marks"][str(number)] = 1
                    marked.append(number)
                    await run.checkpoint("essay_marked", {"number": number + 1})
                    if marked == [0, 1]:
                        database.dump()
                    if marked == [0, 1, 2, 3]:
                        await asyncio.to_thread(database.restore)
            break
        except RolledBack as error:
            assert isinstance(error, Restored)
            assert error.data == {"number": 2}
            assert "the database was restored or failed over" in str(error)
    assert marked == [0, 1, 2, 3, 4, 2, 3, 4]
    stored = await manager.read(session_id)
    assert stored is not None
    assert stored.state == "completed"
    assert stored.context == {"marks": {str(n): 1 for n in range(5)}}
    assert [c.data for c in stored.checkpoints if c.name == "essay_marked"] == [
        {"number": n} for n in range(1, 6)
    ]


async def test_a_run_that_waits_or_only_has_safe_points_hears_of_it_with_a_beat(
    connect: Connect, database: Database
) -> None:
    manager = await connect()
    session_id = (await manager.create_session("grader")).session_id
    database.dump()
    with pytest.raises(Restored):
        async with manager.attach(session_id) as run:
            await run.checkpoint("essay_marked")
            await run.safe_point()
            await asyncio.to_thread(database.restore)
            await manager.heartbeat(session_id)
            await manager.tick()
            await run.safe_point()
    paused = (await manager.create_session("grader")).session_id
    database.dump()
    await manager.pause(paused, actor="olga")

    async def agent() -> None:
        async with manager.attach(paused) as run:
            del run

    async def wait_until_it_waits() -> None:
        while not (await _read(manager, paused)).acknowledged_at:  # noqa: ASYNC110 - only PostgreSQL knows
            await asyncio.sleep(0.01)

    async with asyncio.timeout(HANGS), asyncio.TaskGroup() as group:
        work = group.create_task(_ends_with(Restored, agent()))
        await wait_until_it_waits()
        await asyncio.to_thread(database.restore)
        await manager.heartbeat(paused)
        await manager.tick()
        await work


async def _read(manager: SessionManager, session_id: str) -> AgentSession:
    session = await manager.read(session_id)
    assert session is not None
    return session


async def _ends_with(error: type[Exception], work: Awaitable[None]) -> None:
    with pytest.raises(error):
        await work


async def test_who_decides_upon_a_version_of_the_lost_timeline_is_refused(
    connect: Connect, database: Database
) -> None:
    manager = await connect()
    session = await lost(manager, database)
    await asyncio.to_thread(database.restore)
    seen: dict[str, Any] = {"actor": "olga", "seen_version": session.version}
    with pytest.raises(Conflict):
        await manager.edit(session.session_id, context={"line": "lost"}, **seen)
    with pytest.raises(Conflict):
        await manager.pause(session.session_id, **seen)
    stored = await manager.read(session.session_id)
    assert stored is not None
    assert (stored.version, stored.context) == (1, {"line": "before"})


async def test_a_version_of_the_lost_timeline_does_not_hide_lower_new_ones(
    connect: Connect, database: Database, redis_client: redis.asyncio.Redis
) -> None:
    """Valkey's announced version is 4 of the lost timeline; version 2 of the new one is accepted."""
    manager, other = await connect(), await connect()
    session = await lost(manager, database)
    await manager.tick()
    await asyncio.to_thread(database.restore)
    fresh = await other.get_session(session.session_id)
    assert fresh is not None
    fresh.context["line"] = "new"
    await other.update_session(fresh)
    await other.tick()
    await other.get_session(session.session_id)
    await other.tick()
    copy = json.loads(await redis_client.get(manager.names.copy(session.session_id)) or "{}")
    assert (copy["version"], copy["timeline"]) == (2, database.timeline())
    for one in (manager, other, await connect()):
        got = await one.get_session(session.session_id)
        assert got is not None
        assert (got.version, got.context) == (2, {"line": "new"})


@pytest.mark.parametrize(
    "how", ["SELECT agent_session_new_timeline()", "TRUNCATE agent_sessions", "restore"]
)
async def test_a_timeline_ends_with_what_replaces_rows(database: Database, how: str) -> None:
    before = database.timeline()
    assert database.timeline() == before
    database.execute("CREATE TABLE something (id int)")
    assert database.timeline() == before
    if how == "restore":
        database.dump()
        database.restore()
    else:
        database.execute(how)
    assert database.timeline() not in ("", before)


async def test_a_session_says_its_timeline_and_keeps_it_in_its_copies(
    connect: Connect, database: Database
) -> None:
    manager = await connect()
    session = await manager.create_session("tutor")
    read = await manager.read(session.session_id)
    assert read is not None
    assert session.timeline == read.timeline == database.timeline()
    assert read.to_dict()["timeline"] == read.timeline
    assert AgentSession.from_dict(read.to_dict()).timeline == read.timeline
    assert (await manager.head(session.session_id)).timeline == read.timeline

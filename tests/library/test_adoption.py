"""Migrating a production table with the nine old columns loses and rewrites nothing."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from agent_sessions import SessionManager, schema
from tests.library.old_agent import TABLE, OldAgent
from tests.library.people import OLGA, Sql, history, row, rows

FILL = """
INSERT INTO agent_sessions
SELECT md5('s' || n)::uuid, (ARRAY['tutor', 'grader', 'quality-judge', 'alert', 'orchestrator'])[1 + n %% 5], 'u' || n %% 50,
       (ARRAY['active', 'paused', 'completed', 'failed', 'deleted'])[1 + n / 5 %% 5], jsonb_build_object('n', n),
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', 'turn', 'timestamp', to_char(now() - make_interval(mins => k), 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00'),
            'data', jsonb_build_object('k', k)) ORDER BY k DESC), '[]') FROM generate_series(1, n %% 7) k),
       now() - make_interval(mins => n), now(), now()
FROM generate_series(1, %s) n
"""
OLD_COLUMNS = (
    "id, agent_type, user_id, state, context, checkpoints, created_at, updated_at, last_heartbeat"
)
NONSENSE: dict[str, Any] = {
    "state": ["sleeping", None],
    "context": ["[]", '"text"', "7", "null", None],
    "checkpoints": ['{"a": 1}', '[1, null, {"name": 5}, {}]', "null", None,
                    '[{"name": "x", "timestamp": "2025-02-31T00:00:00", "data": 5}]'],
    "created_at": [None],
    "updated_at": [None],
    "last_heartbeat": [None],
    "user_id": [None],
}  # fmt: skip


@pytest.fixture
async def production(database_url: str) -> AsyncIterator[tuple[str, Sql]]:
    """A database with the old table: (address, connection)."""
    parts = urlsplit(database_url)
    name = f"production_{uuid.uuid4().hex[:8]}"
    url = urlunsplit(parts._replace(path=f"/{name}"))
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as outside:
        await outside.execute(f'CREATE DATABASE "{name}"')
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as sql:
                await sql.execute(TABLE)
                yield url, sql
        finally:
            await outside.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


async def test_ten_thousand_rows_are_adopted_and_none_is_rewritten(
    production: tuple[str, Sql],
) -> None:
    url, sql = production
    await sql.execute(FILL, (10_000,))
    look = f"SELECT ctid::text, xmin::text, {OLD_COLUMNS} FROM agent_sessions ORDER BY id"
    before = await rows(sql, look)
    [file_before] = await rows(sql, "SELECT pg_relation_filenode('agent_sessions') AS f")

    assert schema.migrate(url) == schema.migrations()
    assert schema.migrate(url) == [], "a second time there is nothing to do"

    assert await rows(sql, look) == before
    [file_after] = await rows(sql, "SELECT pg_relation_filenode('agent_sessions') AS f")
    assert file_after == file_before
    [checkpoints] = await rows(
        sql,
        "SELECT count(*) AS n, count(DISTINCT session_id) AS sessions FROM agent_session_checkpoints",
    )
    assert checkpoints["n"] == sum(len(r["checkpoints"]) for r in before)
    kinds = await rows(
        sql,
        "SELECT kind, count(*) AS n, count(DISTINCT session_id) AS s FROM agent_session_history GROUP BY 1",
    )
    assert kinds == [{"kind": "adopted", "n": 10_000, "s": 10_000}]
    different = await rows(
        sql,
        "SELECT agent_type, state, sum(n) FROM agent_session_counts GROUP BY 1, 2 EXCEPT "
        "SELECT agent_type, state, count(*) FROM agent_sessions GROUP BY 1, 2",
    )
    assert different == []


async def test_an_adopted_session_goes_on_with_both_kinds_of_agents(
    production: tuple[str, Sql],
) -> None:
    url, sql = production
    old = OldAgent(sql)
    session_id = await old.create(a=1)
    old.checkpoint("turn", n=1)
    await old.save()
    schema.migrate(url)

    old.checkpoint("turn", n=2)
    old.cache["context"]["b"] = 2
    await old.save()
    async with await SessionManager.connect(url) as manager:
        ours = await manager.get_session(session_id)
        assert ours is not None
        assert ours.context == {"a": 1, "b": 2}
        assert [c.n for c in ours.checkpoints] == [1, 2, 3]
        ours.checkpoint("turn", {"n": 3})
        await manager.update_session(ours)
        rolled = await manager.rollback(session_id, 2, **OLGA)
        assert rolled.context == {"a": 1, "b": 2}, "no context was captured with an old checkpoint"
        preview = await manager.preview_rollback(session_id, 2)
        assert not preview.context_captured
        assert [c.n for c in await manager.get_checkpoints(session_id)] == [1, 2, 3, 4, 5, 6]
    kinds = [e["kind"] for e in await history(sql, session_id)]
    assert kinds == ["adopted", "checkpoint", "checkpoint", "order"]


async def test_new_sessions_are_created_where_there_was_no_table(database_url: str) -> None:
    """The test database itself was migrated without such a table."""
    async with await SessionManager.connect(database_url) as manager:
        session = await manager.create_session("tutor")
        assert await manager.read(session.session_id) is not None


@pytest.mark.parametrize(("column", "values"), NONSENSE.items(), ids=list(NONSENSE))
async def test_rows_that_were_edited_into_nonsense_are_adopted_read_and_steered(
    production: tuple[str, Sql], column: str, values: list[Any]
) -> None:
    url, sql = production
    ids = []
    for value in values:
        ids.append(await OldAgent(sql).create(a=1))
        await sql.execute(
            f"UPDATE agent_sessions SET {column} = %s WHERE id = %s", (value, ids[-1])
        )
    whole = await OldAgent(sql).create(a=1)
    schema.migrate(url)
    async with await SessionManager.connect(url, retry_seconds=0) as manager:
        for session_id in ids:
            session = await manager.get_session(session_id)
            assert session is not None
            assert isinstance(session.context, dict) and isinstance(session.checkpoints, list)
            assert (await manager.head(session_id)).state == session.state
            if column == "state" and session.state == "failed":
                await manager.rollback(session_id, 1, **OLGA)
            else:
                await manager.pause(session_id, **OLGA)
                await manager.resume(session_id, **OLGA)
            again = await manager.read(session_id)
            assert again is not None and again.state == "active"
            again.context["b"] = 2
            again.checkpoint("turn", {"n": 1})
            await manager.update_session(again)
        active = {s.session_id async for s in manager.iterate_active_sessions()}
        assert active == {*ids, whole}
        await manager.cleanup_stale_sessions()
    for session_id in ids:
        old = OldAgent(sql)
        await old.load(session_id)
        old.cache["context"]["c"] = 3
        await old.save()
        assert (await row(sql, session_id))["context"]["c"] == 3


@pytest.mark.parametrize("column", ["state", "context", "checkpoints"])
async def test_psql_can_still_steer_an_adopted_row_with_holes(
    production: tuple[str, Sql], column: str
) -> None:
    url, sql = production
    session_id = await OldAgent(sql).create(a=1)
    await sql.execute(f"UPDATE agent_sessions SET {column} = NULL WHERE id = %s", (session_id,))
    schema.migrate(url)
    await sql.execute("UPDATE agent_sessions SET state = 'paused' WHERE id = %s", (session_id,))
    await sql.execute(
        "UPDATE agent_sessions SET context = '{\"a\": 2}' WHERE id = %s", (session_id,)
    )
    stored = await row(sql, session_id)
    assert (stored["state"], stored["context"], stored["version"]) == ("paused", {"a": 2}, 3)


async def test_an_old_agent_s_first_write_after_the_migration_fills_holes(
    production: tuple[str, Sql],
) -> None:
    url, sql = production
    old = OldAgent(sql)
    session_id = await old.create(a=1)
    await sql.execute(
        "UPDATE agent_sessions SET context = NULL, checkpoints = NULL, state = NULL WHERE id = %s",
        (session_id,),
    )
    schema.migrate(url)
    await old.save()
    stored = await row(sql, session_id)
    assert (stored["state"], stored["context"], len(stored["checkpoints"])) == (
        "active",
        {"a": 1},
        1,
    )


async def test_an_old_agent_at_work_while_its_table_is_adopted_may_set_back_what_it_wrote(
    production: tuple[str, Sql],
) -> None:
    url, sql = production
    old, without = OldAgent(sql), OldAgent(sql)
    session_id = await old.create(status="idle")
    stale = OldAgent(sql)
    await stale.load(session_id)
    old.checkpoint("turn")
    old.cache["context"] = {"status": "busy", "note": 1}
    await old.save()
    bare_id = await without.create(status="busy")
    without.cache["checkpoints"] = []
    await without.save()

    schema.migrate(url)

    for agent, id in ((old, session_id), (without, bare_id)):
        agent.cache["context"] = {"status": "idle"}
        await agent.save()
        assert (await row(sql, id))["context"] == {"status": "idle"}
        assert (await row(sql, id))["refused_writes"] == 0
    stale.cache["context"] = {"status": "stale", "own": 1}
    await stale.save()
    stored = await row(sql, session_id)
    assert stored["context"] == {"status": "idle", "own": 1}, "what it had read is not known"
    assert stored["refused_writes"] == 1


async def test_what_an_old_agent_wrote_last_is_known_after_an_upgrade(
    production: tuple[str, Sql],
) -> None:
    url, sql = production
    schema_before = schema.migrations()[: schema.migrations().index("0010_old_writers")]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for name in schema_before:
            schema.apply(cursor, name)
    old = OldAgent(sql)
    session_id = await old.create(status="idle")
    old.cache["context"] = {"status": "busy"}
    await old.save()
    schema.migrate(url)
    old.cache["context"] = {"status": "idle"}
    await old.save()
    assert (await row(sql, session_id))["context"] == {"status": "idle"}

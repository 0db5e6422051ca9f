"""Raw statements of the agents' log-in that the library would not send are refused and leave no trace."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql as pgsql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from agent_sessions import SessionManager, schema
from agent_sessions.states import TRANSITIONS, SessionState
from tests.library.test_roles import agents, as_agent, logins  # noqa: F401

Row = dict[str, Any]
NEXT = "version = version + 1, change_kind = 'context'"
ORDER = "version = version + 1, change_kind = 'order', order_version = version + 1"
TAKEN = "owner_id = 'mine', owner_name = 'mine', owner_timeline = agent_session_timeline(), lease_until = now() + interval '30 s'"

FORGERIES = {
    "an ended session made active by a change of state": (
        "completed",
        "version = version + 1, change_kind = 'state', state = 'active'",
    ),
    "an ended session made active without a version": (
        "completed",
        "state = 'active', checkpoints_through = checkpoints_through + 1",
    ),
    "an ended session resumed": ("failed", f"{ORDER}, order_verb = 'resume', state = 'active'"),
    "an ended session completed again": (
        "failed",
        f"{ORDER}, order_verb = 'complete', state = 'completed', epoch = epoch + 1",
    ),
    "an ended session rolled back without a fence": (
        "failed",
        f"{ORDER}, order_verb = 'rollback', state = 'active'",
    ),
    "a deleted session made active": (
        "deleted",
        "version = version + 1, change_kind = 'state', state = 'active'",
    ),
    "a deleted session restored as what it never was": (
        "deleted",
        f"{ORDER}, order_verb = 'restore', state = 'paused'",
    ),
    "a deletion that is no order": ("active", f"{NEXT}, state = 'deleted'"),
    "an order whose verb does something else": (
        "active",
        f"{ORDER}, order_verb = 'pause', state = 'completed'",
    ),
    "an order without a change": ("active", f"{ORDER}, order_verb = 'pause'"),
    "an order of a verb that does not exist": ("active", f"{ORDER}, order_verb = 'explode'"),
    "an order's number without an order": ("active", f"{NEXT}, order_version = version + 1"),
    "an order of another version": (
        "active",
        "version = version + 1, change_kind = 'order', order_version = 1, order_verb = 'pause', state = 'paused'",
    ),
    "an order that confirms itself": (
        "active",
        f"{ORDER}, order_verb = 'pause', state = 'paused', acknowledged_version = version + 1",
    ),
    "an entry that only the schema makes": ("active", "version = version + 1, change_kind = 'purged'"),
    "a confirmation of what comes later": (
        "ordered",
        f"{NEXT}, acknowledged_version = order_version + 1",
    ),
    "a confirmation where nothing was ordered": (
        "active",
        f"{NEXT}, acknowledged_version = version + 1",
    ),
    "a confirmation of what comes later, without a version": (
        "ordered",
        "acknowledged_version = order_version + 1",
    ),
    "a confirmation taken back": ("confirmed", f"{NEXT}, acknowledged_version = 0"),
    "a confirmation taken back without a version": ("confirmed", "acknowledged_version = 0"),
    "the fence raised": ("active", f"{NEXT}, epoch = epoch + 1"),
    "the fence lowered": ("fenced", f"{NEXT}, epoch = epoch - 1"),
    "the fence raised without a version": ("active", "epoch = epoch + 1"),
    "the fence raised by two": (
        "active",
        f"{ORDER}, order_verb = 'fail', state = 'failed', epoch = epoch + 2",
    ),
    "a version left out": ("active", "version = version + 2, change_kind = 'context'"),
    "a version taken back": ("confirmed", "version = version - 1, change_kind = 'context'"),
    "a version of the context that is none": ("active", f"{NEXT}, context_version = 99"),
    "a write that shuts out all later ones": ("active", f"{NEXT}, resent_version = 99"),
    "another start": ("active", f"{NEXT}, created_at = '2020-01-01'"),
    "another start without a version": ("active", "created_at = '2020-01-01'"),
    "another type": ("active", f"{NEXT}, agent_type = 'tutor'"),
    "another type without a version": ("active", "agent_type = 'tutor'"),
    "another id": ("active", "id = gen_random_uuid()"),
    "more checkpoints than there are": (
        "active",
        f"{NEXT}, checkpoint_count = checkpoint_count + 1",
    ),
    "more checkpoints without a version": ("active", "checkpoint_count = checkpoint_count + 1"),
    "fewer checkpoints": ("active", f"{NEXT}, checkpoint_count = 0, checkpoints_through = 0"),
    "refused writes forgotten": ("refused", f"{NEXT}, refused_writes = 0"),
    "many refused writes": ("active", f"{NEXT}, refused_writes = 50"),
    "refused writes forgotten without a version": ("refused", "refused_writes = 0"),
    "a lease taken from an owner who lives": ("owned", TAKEN),
    "a lease taken without a fence": ("owned", f"version = version + 1, change_kind = 'taken_over', {TAKEN}"),
    "a lease taken with another change": ("owned", f"{NEXT}, {TAKEN}"),
    "a lease ended without handing back": ("owned", "owner_id = NULL, lease_until = NULL"),
    "a lease of another timeline": ("active", "owner_id = 'mine', owner_timeline = 'x', lease_until = now()"),
    "a session handed back that nobody had": ("active", "version = version + 1, change_kind = 'handed_back'"),
    "a session handed back whose owner stays": ("owned", "version = version + 1, change_kind = 'handed_back'"),
}  # fmt: skip


async def prepared(
    manager: SessionManager, connection: psycopg.AsyncConnection[Any], how: str
) -> str:
    session = await manager.create_session("grader")
    id = session.session_id
    match how:
        case "completed" | "failed" | "deleted":
            verb = {"completed": "complete", "failed": "fail", "deleted": "delete"}[how]
            words = ("enough",) if how == "failed" else ()
            await getattr(manager, verb)(id, *words, actor="olga")
        case "ordered" | "confirmed":
            ordered = await manager.pause(id, actor="olga")
            if how == "confirmed":
                await manager.acknowledge(id, ordered.order_version)
        case "fenced":
            await manager.rollback(id, 1, actor="olga")
        case "refused":
            await connection.execute(
                "UPDATE agent_sessions SET refused_writes = 3 WHERE id = %s", [id]
            )
        case "owned":
            await connection.execute(
                "UPDATE agent_sessions SET owner_id = 'a run', owner_name = 'h', owner_since = now(),"
                " owner_timeline = agent_session_timeline(), lease_until = now() + interval '1 hour' WHERE id = %s",
                [id],
            )
    return id


async def row(connection: psycopg.AsyncConnection[Any], id: str) -> Row:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM agent_sessions WHERE id = %s", [id])
        found = await cursor.fetchone()
    assert found is not None
    return found


@pytest.mark.parametrize(("how", "changes"), FORGERIES.values(), ids=FORGERIES)
async def test_a_forgery_of_the_agents_log_in_is_refused(
    manager: SessionManager,
    sql: psycopg.AsyncConnection[Any],
    as_agent: psycopg.Connection[Any],  # noqa: F811
    how: str,
    changes: str,
) -> None:
    id = await prepared(manager, sql, how)
    before = await row(sql, id)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="an agent's log-in may not"):
        as_agent.execute(f"UPDATE agent_sessions SET {changes} WHERE id = %s".encode(), [id])
    assert await row(sql, id) == before


CORRECTED = {
    "the words of an order": ("ordered", f"{NEXT}, order_verb = 'delete', order_reason = 'mine', ordered_at = now()"),
    "where an order leads": ("fenced", f"{NEXT}, order_checkpoint = 99"),
    "where an order leads, without a version": ("fenced", "order_checkpoint = 99"),
    "when it was confirmed": ("confirmed", f"{NEXT}, acknowledged_at = '2020-01-01'"),
    "when it was confirmed, without a version": ("confirmed", "acknowledged_at = '2020-01-01'"),
    "when it ended": ("completed", f"{NEXT}, ended_at = '2020-01-01'"),
    "when it ended, without a version": ("completed", "ended_at = '2020-01-01'"),
    "what it was before the deletion": ("deleted", f"{NEXT}, state_before_deletion = 'paused'"),
    "what it was before the deletion, without a version": ("deleted", "state_before_deletion = 'paused'"),
    "parts at work, without a version": ("active", "parts = 3, parts_at_work = 2"),
    "a beat from the past": ("active", "last_heartbeat = '2020-01-01', last_progress = '2020-01-01'"),
    "the name of an owner": ("owned", "owner_name = 'olga', owner_since = '2020-01-01'"),
    "the end of another's lease": ("owned", "lease_until = now() - interval '1 s'"),
    "a lease without an end": ("owned", "lease_until = NULL"),
    "a session that seems to wait for its next owner": ("owned", "handed_back_at = now()"),
}  # fmt: skip
OF_THE_CHANGE = {"version"} | {f"change_{part}" for part in ("kind", "actor", "source", "detail", "reason", "id")}  # fmt: skip


@pytest.mark.parametrize(("how", "changes"), CORRECTED.values(), ids=CORRECTED)
async def test_what_an_agents_log_in_has_no_say_in_stays_as_it_was(
    manager: SessionManager,
    sql: psycopg.AsyncConnection[Any],
    as_agent: psycopg.Connection[Any],  # noqa: F811
    how: str,
    changes: str,
) -> None:
    id = await prepared(manager, sql, how)
    before = await row(sql, id)
    as_agent.execute(f"UPDATE agent_sessions SET {changes} WHERE id = %s".encode(), [id])
    after = await row(sql, id)
    assert {k for k in before if before[k] != after[k]} <= OF_THE_CHANGE


async def test_a_beat_or_lease_in_the_future_is_cut(
    manager: SessionManager,
    sql: psycopg.AsyncConnection[Any],
    as_agent: psycopg.Connection[Any],  # noqa: F811
) -> None:
    id = await prepared(manager, sql, "owned")
    as_agent.execute(
        "UPDATE agent_sessions SET last_heartbeat = '2999-01-01', last_progress = '2999-01-01',"
        " lease_until = '2999-01-01' WHERE id = %s",
        [id],
    )
    cursor = await sql.execute(
        "SELECT last_heartbeat <= now() AND last_progress <= now() AND lease_until <= now() + interval '1 day'"
        " FROM agent_sessions WHERE id = %s",
        [id],
    )
    assert await cursor.fetchone() == (True,)


NEW = "INSERT INTO agent_sessions (id, agent_type, {}) VALUES (gen_random_uuid(), 'grader', {})"
WITH_A_PAST = {
    "version": "7",
    "epoch": "3",
    "order_version": "1",
    "order_verb": "'pause'",
    "acknowledged_version": "1",
    "resent_version": "9",
    "refused_writes": "4",
    "owner_id": "'mine'",
    "change_kind": "'order'",
    "change_id, checkpoint_count": "gen_random_uuid(), 9",
}


@pytest.mark.parametrize(("columns", "values"), WITH_A_PAST.items())
def test_a_new_session_of_the_agents_log_in_has_no_past(
    as_agent: psycopg.Connection[Any],  # noqa: F811
    columns: str,
    values: str,
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="make a session with a past"):
        as_agent.execute(NEW.format(columns, values).encode())


CHECKPOINT = (
    "INSERT INTO agent_session_checkpoints (session_id, n, name, at, version, source)"
    " VALUES (%s, %s, 'x', now(), %s, 'agent')"
)


@pytest.mark.parametrize(("n", "version"), [(2, 1), (2, 2), (99, 1), (1, 7)])
async def test_a_checkpoint_that_its_session_does_not_count_is_refused(
    manager: SessionManager,
    as_agent: psycopg.Connection[Any],  # noqa: F811
    n: int,
    version: int,
) -> None:
    session = await manager.create_session("grader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="add a checkpoint past its"):
        as_agent.execute(CHECKPOINT, [session.session_id, n, version])


async def test_every_verb_of_the_library_works_with_the_agents_log_in(
    agents: SessionManager,  # noqa: F811
) -> None:
    session = await agents.create_session("grader")
    id, first = session.session_id, session.checkpoints[0].id
    for verb, arguments, state in (
        ("pause", (), "paused"), ("resume", (), "active"), ("pause", (), "paused"),
        ("rollback", (first,), "active"), ("complete", (), "completed"), ("rollback", (first,), "active"),
        ("fail", ("enough",), "failed"), ("rollback", (first,), "active"), ("delete", (), "deleted"),
        ("restore", (), "active"), ("fail", ("enough",), "failed"), ("delete", (), "deleted"),
        ("restore", (), "failed"),
    ):  # fmt: skip
        done = await getattr(agents, verb)(id, *arguments, actor="x")
        assert done.state == state, verb
        await agents.acknowledge(id, done.order_version)


async def test_the_order_rule_of_the_database_is_that_of_the_library(
    sql: psycopg.AsyncConnection[Any],
) -> None:
    ask = pgsql.SQL("SELECT agent_session_may_order(%s, %s, %s, NULL)")
    for verb, allowed in TRANSITIONS.items():
        for was in SessionState:
            for becomes in SessionState:
                cursor = await sql.execute(ask, [verb, was.value, becomes.value])
                assert await cursor.fetchone() == (allowed.get(was) == becomes,), (
                    verb,
                    was,
                    becomes,
                )
    rows = await sql.execute("SELECT verb, from_state, to_state FROM agent_session_verbs")
    assert {tuple(row) for row in await rows.fetchall()} == {
        (verb, was.value, becomes.value)
        for verb, allowed in TRANSITIONS.items()
        for was, becomes in allowed.items()
    }


def test_agents_can_write_between_the_migration_and_its_grants(migrated: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("CREATE DATABASE between")
    try:
        with psycopg.connect(make_conninfo(migrated, dbname="between")) as connection:
            for name in schema.migrations():
                schema.apply(connection.cursor(), name)
            found = connection.execute(
                "SELECT prosecdef, proconfig FROM pg_proc WHERE proname = 'agent_session_after_update'"
            ).fetchone()
        assert found == (True, ["enable_nestloop=off", "search_path=public, pg_temp"])
    finally:
        with psycopg.connect(migrated, autocommit=True) as connection:
            connection.execute("DROP DATABASE between")

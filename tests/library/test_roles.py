"""The role of the log-in determines the author; each role has exactly the rights it needs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql as pgsql
from psycopg.conninfo import make_conninfo

from agent_sessions import AgentSession, SessionManager, schema
from tests.library.old_agent import OldAgent

LOGINS = {
    "agents_of_the_school": "agent_sessions_agent",
    "web_of_the_school": "agent_sessions_dashboard",
}


@pytest.fixture(scope="module")
def logins(migrated: str) -> Iterator[Callable[[str], str]]:
    """`logins("agent")` is the address of a log-in with only that role."""
    addresses = {}
    with psycopg.connect(migrated, autocommit=True) as connection:
        for name, role in LOGINS.items():
            secret = uuid.uuid4().hex
            connection.execute(
                pgsql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                    pgsql.Identifier(name), pgsql.Literal(secret), pgsql.Identifier(role)
                )
            )
            addresses[role] = make_conninfo(migrated, user=name, password=secret)
    yield lambda role: addresses[f"agent_sessions_{role}"]
    with psycopg.connect(migrated, autocommit=True) as connection:
        for name in LOGINS:
            connection.execute(pgsql.SQL("DROP ROLE {}").format(pgsql.Identifier(name)))


@pytest.fixture
async def agents(
    database_url: str, valkey_url: str, logins: Callable[[str], str]
) -> AsyncIterator[SessionManager]:
    """A manager with the rights of an agent's process."""
    async with await SessionManager.connect(logins("agent"), valkey_url) as manager:
        yield manager


@pytest.fixture
def as_agent(database_url: str, logins: Callable[[str], str]) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(logins("agent"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def as_dashboard(
    database_url: str, logins: Callable[[str], str]
) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(logins("dashboard"), autocommit=True) as connection:
        yield connection


async def newest(sql: psycopg.AsyncConnection[Any], session: AgentSession) -> tuple[Any, ...]:
    cursor = await sql.execute(
        "SELECT actor, source, detail->'claimed' FROM agent_session_history WHERE session_id = %s"
        " ORDER BY version DESC LIMIT 1",
        (session.session_id,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return tuple(row)


async def test_an_agent_that_claims_to_be_a_person_is_named_by_its_log_in(
    agents: SessionManager, sql: psycopg.AsyncConnection[Any]
) -> None:
    session = await agents.create_session("grader", "frau.keller")
    failed = await agents.fail(session.session_id, "enough", actor="olga", source="page")
    assert failed.order_actor == "agents_of_the_school"
    assert await newest(sql, session) == (
        "agents_of_the_school",
        "agent",
        {"actor": "olga", "source": "page"},
    )


async def test_a_raw_update_that_raises_the_version_itself_is_named_by_its_log_in(
    as_agent: psycopg.Connection[Any], manager: SessionManager, sql: psycopg.AsyncConnection[Any]
) -> None:
    session = await manager.create_session("grader")
    as_agent.execute(
        "UPDATE agent_sessions SET version = version + 1, state = 'paused', change_kind = 'order',"
        " change_actor = 'olga', change_source = 'page', order_version = version + 1, order_verb = 'pause',"
        " order_actor = 'olga' WHERE id = %s",
        (session.session_id,),
    )
    stored = await manager.read(session.session_id)
    assert stored is not None
    assert stored.order_actor == "agents_of_the_school"
    assert (await newest(sql, session))[:2] == ("agents_of_the_school", "agent")


async def test_what_an_agent_stores_for_its_own_session_carries_its_type(
    agents: SessionManager, sql: psycopg.AsyncConnection[Any]
) -> None:
    session = await agents.create_session("grader", "frau.keller")
    session.context["mark"] = 2
    session.checkpoint("essay_marked", {"mark": 2})
    await agents.update_session(session)
    assert await newest(sql, session) == ("grader", "agent", None)


async def test_the_order_of_an_earlier_person_cannot_be_renamed_afterwards(
    as_agent: psycopg.Connection[Any], manager: SessionManager
) -> None:
    session = await manager.create_session("grader")
    await manager.pause(session.session_id, actor="olga", reason="lunch", source="page")
    as_agent.execute(
        "UPDATE agent_sessions SET order_actor = 'kraus', order_reason = 'mine' WHERE id = %s",
        (session.session_id,),
    )
    as_agent.execute(
        "UPDATE agent_sessions SET version = version + 1, order_actor = 'kraus', change_kind = 'context'"
        " WHERE id = %s",
        (session.session_id,),
    )
    stored = await manager.read(session.session_id)
    assert stored is not None
    assert (stored.order_actor, stored.order_reason) == ("olga", "lunch")


async def test_a_checkpoint_that_is_inserted_past_the_library_names_no_person(
    as_agent: psycopg.Connection[Any], manager: SessionManager
) -> None:
    session = await manager.create_session("grader")
    row = as_agent.execute(
        "WITH counted AS (UPDATE agent_sessions SET version = version + 1, change_kind = 'checkpoint',"
        " checkpoint_count = checkpoint_count + 1 WHERE id = %s RETURNING id, version, checkpoint_count)"
        " INSERT INTO agent_session_checkpoints (session_id, n, name, at, version, actor, source)"
        " SELECT id, checkpoint_count, 'x', now(), version, 'olga', 'page' FROM counted RETURNING actor, source",
        (session.session_id,),
    ).fetchone()
    assert row == (None, "agent")


async def test_an_old_agent_works_with_the_agents_role_as_before(
    logins: Callable[[str], str], manager: SessionManager, sql: psycopg.AsyncConnection[Any]
) -> None:
    async with await psycopg.AsyncConnection.connect(
        logins("agent"), autocommit=True
    ) as connection:
        agent = OldAgent(connection)
        session_id = await agent.create("grader", n=1)
        agent.cache["context"]["n"] = 2
        await agent.save()
    stored = await manager.read(session_id)
    assert stored is not None
    assert stored.context == {"n": 2}
    cursor = await sql.execute(
        "SELECT DISTINCT actor, source FROM agent_session_history WHERE session_id = %s",
        (session_id,),
    )
    assert await cursor.fetchall() == [("grader", "old-agent")]


REFUSED_TO_AGENTS = [
    "SELECT * FROM auth_user",
    "SELECT * FROM django_session",
    "SELECT * FROM sessions_app_apitoken",
    "DELETE FROM agent_sessions",
    "TRUNCATE agent_sessions",
    "ALTER TABLE agent_sessions DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    (
        "INSERT INTO agent_session_history (session_id, version, at, kind, epoch, source)"
        " VALUES (gen_random_uuid(), 1, now(), 'order', 0, 'page')"
    ),
    "UPDATE agent_session_history SET actor = 'kraus'",
    "DELETE FROM agent_session_history",
    "INSERT INTO agent_session_contexts VALUES (gen_random_uuid(), 1, now(), '{}')",
    "UPDATE agent_session_checkpoints SET data = '{}'",
    "DELETE FROM agent_session_checkpoints",
    "INSERT INTO agent_session_counts VALUES ('grader', 'active', 5)",
    "SELECT agent_session_fold_counts(0)",
    "SELECT agent_session_drop_history('agent_session_history_2020_01')",
    "SELECT agent_session_history_partition('2020-01-01')",
    "CREATE TABLE mine (id integer)",
    "SET ROLE agent_sessions_dashboard",
]
REFUSED_TO_THE_DASHBOARD = [
    "ALTER TABLE agent_sessions DISABLE TRIGGER ALL",
    "TRUNCATE agent_session_history",
    (
        "INSERT INTO agent_session_history (session_id, version, at, kind, epoch, source)"
        " VALUES (gen_random_uuid(), 1, now(), 'order', 0, 'page')"
    ),
    "UPDATE agent_session_history SET actor = 'kraus'",
    "DELETE FROM agent_session_contexts",
    "INSERT INTO agent_session_counts VALUES ('grader', 'active', 5)",
    "DROP TABLE agent_sessions",
    "SET ROLE postgres",
]


@pytest.mark.parametrize("statement", REFUSED_TO_AGENTS)
def test_the_agents_role_is_refused(as_agent: psycopg.Connection[Any], statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_agent.execute(statement)


@pytest.mark.parametrize("statement", REFUSED_TO_THE_DASHBOARD)
def test_the_dashboards_role_is_refused(
    as_dashboard: psycopg.Connection[Any], statement: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_dashboard.execute(statement)


def test_the_dashboards_role_does_the_monitors_work(as_dashboard: psycopg.Connection[Any]) -> None:
    for statement in (
        "SELECT agent_session_fold_counts(0)",
        "SELECT agent_session_fold_activity()",
        "SELECT agent_session_history_partition(date_trunc('month', now())::date)",
        "SELECT * FROM agent_session_purge_contexts(gen_random_uuid(), 0, 30, 10)",
        "SELECT * FROM auth_user",
        "DELETE FROM django_session WHERE expire_date < now()",
        "DELETE FROM agent_sessions WHERE state = 'deleted'",
    ):
        as_dashboard.execute(statement)


async def test_the_dashboards_role_gives_orders_in_a_persons_name(
    manager: SessionManager, logins: Callable[[str], str], sql: psycopg.AsyncConnection[Any]
) -> None:
    session = await manager.create_session("grader")
    async with await SessionManager.connect(logins("dashboard"), source="page") as dashboard:
        paused = await dashboard.pause(session.session_id, actor="olga", reason="lunch")
    assert paused.order_actor == "olga"
    assert await newest(sql, session) == ("olga", "page", None)


def test_a_log_in_that_may_not_create_roles_learns_what_an_administrator_runs(
    migrated: str,
) -> None:
    """Roles belong to the whole server, so the existing ones are renamed meanwhile."""
    with psycopg.connect(migrated) as connection, connection.cursor() as cursor:
        for name in schema.ROLES:
            cursor.execute(f"ALTER ROLE {name} RENAME TO hidden_{name}")
        cursor.execute("CREATE ROLE owner_without_createrole")
        cursor.execute(
            "ALTER FUNCTION agent_session_create_roles() OWNER TO owner_without_createrole"
        )
        cursor.execute("ALTER FUNCTION agent_session_create_roles() SECURITY DEFINER")
        assert schema.grant(cursor) == [
            "CREATE ROLE agent_sessions_agent NOLOGIN;",
            "CREATE ROLE agent_sessions_dashboard NOLOGIN;",
        ]
        connection.rollback()


def test_a_table_that_came_later_is_granted_with_the_next_migrate(migrated: str) -> None:
    with psycopg.connect(migrated) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE agent_session_later (id integer)")
        schema.grant(cursor)
        cursor.execute(
            "SELECT has_table_privilege('agent_sessions_dashboard', 'agent_session_later', 'INSERT'),"
            " has_table_privilege('agent_sessions_agent', 'agent_session_later', 'SELECT')"
        )
        assert cursor.fetchone() == (True, False)
        connection.rollback()

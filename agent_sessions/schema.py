"""The library owns the schema: numbered SQL files, each applied once, by the first that migrates: Django or this module."""

from __future__ import annotations

import logging
from importlib import resources
from typing import Any

import psycopg

logger = logging.getLogger(__name__)

ROLE_IS_MISSING = (
    "agents and dashboard have no roles of their own yet, because this log-in may not create roles:"
    " let an administrator run “%s”, then migrate again"
)

MIGRATIONS = "agent_sessions.sql.migrations"
MINIMUM_SERVER_VERSION = 150000
ROLES = ("agent_sessions_agent", "agent_sessions_dashboard")

_REGISTER = """
CREATE TABLE IF NOT EXISTS agent_session_migrations (
    name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())
"""


def migrations() -> list[str]:
    """Names of the migrations in order, without their ending."""
    files = resources.files(MIGRATIONS).iterdir()
    return sorted(f.name.removesuffix(".sql") for f in files if f.name.endswith(".sql"))


def migration_sql(name: str) -> str:
    return resources.files(MIGRATIONS).joinpath(f"{name}.sql").read_text("utf-8")


def apply(cursor: Any, name: str) -> bool:
    """Apply one migration through any DB-API cursor, in its transaction; False when it was applied before.

    The Django migrations call this with Django's cursor, `migrate` with psycopg's: both keep one register.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('agent_session_migrations'))")
    cursor.execute(_REGISTER)
    cursor.execute("SELECT 1 FROM agent_session_migrations WHERE name = %s", (name,))
    if cursor.fetchone():
        return False
    cursor.execute(migration_sql(name))
    cursor.execute("INSERT INTO agent_session_migrations (name) VALUES (%s)", (name,))
    return True


def grant(cursor: Any) -> list[str]:
    """Give each role what grants.sql says; returns the statements that an administrator has to run first.

    Run after every migrate. A role that is missing is left out, and needs CREATEROLE to be made.
    """
    cursor.execute("SELECT agent_session_create_roles()")
    cursor.execute(
        resources.files("agent_sessions.sql.queries").joinpath("grants.sql").read_text("utf-8")
    )
    cursor.execute(
        "SELECT r FROM unnest(%s::text[]) AS r WHERE to_regrole(r) IS NULL", (list(ROLES),)
    )
    return [f"CREATE ROLE {name} NOLOGIN;" for (name,) in cursor.fetchall()]


def migrate(database_url: str) -> list[str]:
    """Bring a database up to date and grant each role its rights; returns the names that were applied.

    Logs the statements for roles that could not be made. Raises psycopg.OperationalError when it cannot be reached, RuntimeError when it is older than PostgreSQL 15.
    """
    with psycopg.connect(database_url) as connection:
        version = connection.info.server_version
        if version < MINIMUM_SERVER_VERSION:
            raise RuntimeError(
                f"PostgreSQL {version // 10000} is too old: agent_sessions needs PostgreSQL 15 or newer"
            )
        with connection.cursor() as cursor:
            applied = [name for name in migrations() if apply(cursor, name)]
            for statement in grant(cursor):
                logger.warning(ROLE_IS_MISSING, statement)
            return applied

"""The library owns the schema: numbered SQL files, each applied once, by whoever comes first."""

from __future__ import annotations

from importlib import resources
from typing import Any

import psycopg

MIGRATIONS = "agent_sessions.sql.migrations"
MINIMUM_SERVER_VERSION = 150000

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


def migrate(database_url: str) -> list[str]:
    """Bring a database up to date; returns the names that were applied.

    Raises psycopg.OperationalError when it cannot be reached, RuntimeError when it is older than PostgreSQL 15.
    """
    with psycopg.connect(database_url) as connection:
        version = connection.info.server_version
        if version < MINIMUM_SERVER_VERSION:
            raise RuntimeError(
                f"PostgreSQL {version // 10000} is too old: agent_sessions needs PostgreSQL 15 or newer"
            )
        with connection.cursor() as cursor:
            return [name for name in migrations() if apply(cursor, name)]

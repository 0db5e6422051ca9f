"""Checks database, tables and Valkey once before the dashboard serves."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
from django.db.utils import OperationalError, ProgrammingError

from agent_sessions.schema import MINIMUM_SERVER_VERSION
from agent_sessions.valkey_client import AWAY, open_sync_client
from dashboard.database.address import shown
from dashboard.errors import SetupError, first_line
from dashboard.polling import poll

HINT = "start it or correct {} (without one, an embedded server is used)"
NOT_THE_OWNER = (
    "This log-in may not change the tables: set MIGRATE_DATABASE_URL to the address of their owner, "
    "which `migrate` then uses"
)


def check_database(url: str, setting: str = "DATABASE_URL", *, wait: int = 0) -> None:
    """Waits up to `wait` seconds for a server that is still starting, then checks its version."""
    for is_last in poll(wait, 0.5):
        try:
            with psycopg.connect(url, connect_timeout=5) as connection:
                check_version(connection.info.server_version)
            return
        except psycopg.ProgrammingError as error:
            raise SetupError(f"{setting} cannot be used: {first_line(error)}") from None
        except psycopg.OperationalError as error:
            if is_last:
                raise unreachable(url, error, setting) from None


def check_version(version: int) -> None:
    if version < MINIMUM_SERVER_VERSION:
        raise SetupError(
            f"The database is PostgreSQL {version // 10000}; "
            f"{MINIMUM_SERVER_VERSION // 10000} or newer is needed: upgrade it, or set another DATABASE_URL"
        )


def check_notifications(url: str) -> None:
    """Refuses a pooler in transaction mode, which accepts LISTEN and never delivers.

    Such a pooler reports a backend process id of its own making, by which it is recognised.
    """
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            found = connection.execute("SELECT pg_backend_pid()").fetchone()
            direct = found == (connection.info.backend_pid,)
    except psycopg.OperationalError as error:
        raise unreachable(url, error) from None
    if not direct:
        raise SetupError(
            f"{shown(url)} leads through a pooler, where notifications do not arrive: set LISTEN_DATABASE_URL"
            " to the address of PostgreSQL itself"
        )


def check_migrations() -> None:
    """Runs in a thread, because the importing server may already run an event loop."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        missing = thread.submit(_missing_migrations).result()
    if missing:
        raise SetupError(
            f"The database lacks {len(missing)} migrations ({missing[0]} first): "
            "run `python manage.py migrate`, then start again"
        )


def _missing_migrations() -> list[str]:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    finally:
        connection.close()
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def warn_without_valkey(url: str) -> None:
    try:
        with open_sync_client(url, socket_connect_timeout=2, socket_timeout=2) as client:
            client.ping()
    except (*AWAY, ValueError) as error:
        print(
            f"warning: Valkey at {address(url)} is away ({first_line(error)}): going on without it, "
            "orders reach agents with their next heartbeat; start it or correct VALKEY_URL",
            file=sys.stderr,
            flush=True,
        )


def unreachable(url: str, error: Exception, setting: str = "DATABASE_URL") -> SetupError:
    return SetupError(
        f"The database at {shown(url)} cannot be reached: {first_line(error)}; {HINT.format(setting)}"
    )


def explained(error: Exception) -> SetupError | None:
    """The error as a message for the person who typed the command; None for an internal error."""
    from django.conf import settings

    if isinstance(error, OperationalError):
        return unreachable(settings.DATABASE_URL, error)
    if isinstance(error, ProgrammingError) and isinstance(
        error.__cause__, psycopg.errors.UndefinedTable
    ):
        return SetupError(
            "The database lacks tables: run `python manage.py migrate`, then try again"
        )
    if _right_is_missing(error):
        return SetupError(f"{NOT_THE_OWNER} ({first_line(error)})")
    return None


def _right_is_missing(error: BaseException | None) -> bool:
    """Searches the causes: Django wraps the error, twice if its own migrations table is missing."""
    while error is not None and not isinstance(error, psycopg.errors.InsufficientPrivilege):
        error = error.__cause__ or error.__context__
    return error is not None


def address(url: str) -> str:
    """Valkey's address without secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_before_serving() -> None:
    from django.conf import settings

    from dashboard import url_prefix

    url_prefix.check(settings.URL_PREFIX)
    check_database(settings.DATABASE_URL, wait=settings.ENVIRONMENT.startup_wait)
    check_notifications(settings.LISTEN_DATABASE_URL or settings.DATABASE_URL)
    check_migrations()
    warn_without_valkey(settings.VALKEY_URL)

"""Which role runs migrations. Tables belong to an owner role that is used for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from dashboard import embedded
from dashboard.database import address
from dashboard.embedded.credentials import LogIn
from dashboard.environment import Environment


def migrating_address(given: Environment) -> str:
    """MIGRATE_DATABASE_URL, else DATABASE_URL, else the owner of the embedded database."""
    return given.migrate_database_url or embedded.database_url(given, LogIn.OWNER)


@contextmanager
def connected_to(url: str) -> Iterator[None]:
    """Connects Django's database with another log-in within the block."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    before = connection.settings_dict
    said = address.django_settings(url)
    ours = {name: before["OPTIONS"][name] for name in ("pool", "connect_timeout")}
    options = {**ours, **said.pop("OPTIONS")}
    _reconnect(connection, {**before, **said, "OPTIONS": options})
    try:
        yield
    finally:
        _reconnect(connection, before)


def _reconnect(connection: Any, settings: dict[str, Any]) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict = settings

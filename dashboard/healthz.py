"""The view /healthz: whether this process can serve requests."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg
import redis
from django.conf import settings
from django.http import HttpResponse, JsonResponse

from agent_sessions.keys import Keys
from agent_sessions.valkey_client import AWAY, open_sync_client
from dashboard.errors import first_line

CHECK_TIMEOUT = 2
HEALTH_KEY_SECONDS = 10
KEPT_SECONDS = 1.0
LAST_LOOK = """
SELECT extract(epoch FROM now() - looked_at)::bigint FROM agent_session_monitors WHERE source = 'sweeper'
"""
WATCHDOG_SECONDS = 30  # the watchdog checks every five seconds


class Found(NamedTuple):
    """Each is `ok` or an error. `watchdog` is empty if the database could not be queried."""

    database: str
    watchdog: str
    valkey: str


class States:
    """Caches the states for a second: each check opens two connections, and anyone may request one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looking = threading.Lock()
        self._found = Found("", "", "")
        self._asked: tuple[str, str] = ("", "")
        self._until = float("-inf")

    def read(self) -> Found:
        """Concurrent callers share one check."""
        asked = (settings.DATABASE_URL, settings.VALKEY_URL)
        with self._looking:
            if self._clock() >= self._until or self._asked != asked:
                self._asked = asked
                self._found = Found(*database_states(), valkey_state())
                self._until = self._clock() + KEPT_SECONDS
            return self._found


states = States()


def healthz() -> HttpResponse:
    """200 while the database is reachable, migrated and writable, else 503; Valkey and the watchdog only in the body."""
    database, watchdog, valkey = states.read()
    status = 200 if database == "ok" else 503
    body: dict[str, Any] = {
        "status": "ok" if status == 200 else "unavailable",
        "database": database,
        "valkey": valkey,
        "watchdog": watchdog or "not known while the database is away",
    }
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


def database_states() -> tuple[str, str]:
    """Whether the table exists and is writable (a standby is not), and whether a watchdog runs."""
    try:
        with psycopg.connect(settings.DATABASE_URL, connect_timeout=CHECK_TIMEOUT) as connection:
            found = connection.execute(
                "SELECT to_regclass('agent_sessions'), current_setting('transaction_read_only'),"
                " to_regclass('agent_session_monitors')"
            ).fetchone()
            if not found or not found[0]:
                return "the table agent_sessions is missing: run migrate", ""
            watchdog = _watchdog_state(connection) if found[2] else ""
    except psycopg.Error as error:
        return f"unreachable: {first_line(error)}", ""
    return "ok" if found[1] == "off" else "read-only: nothing can be stored", watchdog


def _watchdog_state(connection: psycopg.Connection[Any]) -> str:
    try:
        found = connection.execute(LAST_LOOK).fetchone()
    except psycopg.Error as error:
        return f"not known: {first_line(error)}"
    if found is None:
        return "never ran: start manage.py sweep"
    if found[0] >= WATCHDOG_SECONDS:
        return f"has not looked for {found[0]} s: start manage.py sweep"
    return "ok"


def valkey_state() -> str:
    """Checks a write and a read: a Valkey that refuses writes still answers PING."""
    sent = uuid.uuid4().hex
    try:
        with open_sync_client(
            settings.VALKEY_URL, socket_connect_timeout=CHECK_TIMEOUT, socket_timeout=CHECK_TIMEOUT
        ) as client:
            client.ping()
            return _stores(client, Keys(settings.SESSION_NAMESPACE).health(sent), sent)
    except AWAY as error:
        return f"away: {first_line(error)}"


def _stores(client: Any, key: str, value: str) -> str:
    try:
        client.set(key, value, ex=HEALTH_KEY_SECONDS)
        found = client.getdel(key)
    except redis.ResponseError as error:
        return f"takes no writes: {first_line(error)}"
    return "ok" if found == value.encode() else "does not give back what it stored"

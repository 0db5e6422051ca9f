"""/healthz: whether this process can serve. Answered before host names, log-ins and redirects matter."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from agent_sessions.keys import Keys
from agent_sessions.valkey_client import AWAY, open_sync_client
from dashboard.errors import first_line

PATIENCE = 2
HEALTH_KEY_SECONDS = 10
KEPT_SECONDS = 1.0


class States:
    """What was found, kept for a moment: each look opens two connections, and anybody may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looking = threading.Lock()
        self._found: tuple[str, str] = ("", "")
        self._asked: tuple[str, str] = ("", "")
        self._until = float("-inf")

    def read(self) -> tuple[str, str]:
        """Of the database and Valkey. Callers at once share one look."""
        asked = (settings.DATABASE_URL, settings.VALKEY_URL)
        with self._looking:
            if self._clock() >= self._until or self._asked != asked:
                self._asked, self._found = asked, (database_state(), valkey_state())
                self._until = self._clock() + KEPT_SECONDS
            return self._found


states = States()


def healthz() -> HttpResponse:
    """200 while the database answers. Valkey's absence is reported, and fails nothing."""
    database, valkey = states.read()
    status = 200 if database == "ok" else 503
    body: dict[str, Any] = {
        "status": "ok" if status == 200 else "unavailable",
        "database": database,
        "valkey": valkey,
    }
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


def database_state() -> str:
    """Whether the table is there and takes writes: a standby answers every question and stores nothing."""
    try:
        with psycopg.connect(settings.DATABASE_URL, connect_timeout=PATIENCE) as connection:
            found = connection.execute(
                "SELECT to_regclass('agent_sessions'), current_setting('transaction_read_only')"
            ).fetchone()
    except psycopg.Error as error:
        return f"unreachable: {first_line(error)}"
    if not found or not found[0]:
        return "the table agent_sessions is missing: run migrate"
    return "ok" if found[1] == "off" else "read-only: nothing can be stored"


def valkey_state() -> str:
    """Whether it stores and gives back: one that refuses writes still answers PING."""
    sent = uuid.uuid4().hex
    try:
        with open_sync_client(
            settings.VALKEY_URL, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE
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


class HealthMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return healthz() if request.path == "/healthz" else self.get_response(request)

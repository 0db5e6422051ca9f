"""Who has a session or dialog open: stored in Valkey for seconds, empty without Valkey."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings

from agent_sessions.keys import Keys
from agent_sessions.valkey_client import AWAY, open_sync_client

SAID_EVERY = 8  # seconds; pages get it in session.html
LASTS = 25
MOST = 20
MOST_READ = 100
LONGEST_NAME = 150  # Django's limit


@dataclass(frozen=True, slots=True)
class Present:
    name: str
    doing: str


def here(session_id: UUID, name: str, doing: str) -> list[Present]:
    """Records that `name` is here; returns who else is."""
    key = _key(session_id)
    now = time.time()
    try:
        with _client().pipeline(transaction=False) as pipe:
            pipe.hset(key, name, json.dumps([now, doing]))
            pipe.expire(key, LASTS)
            pipe.hscan(key, count=MOST_READ)  # reads a small hash completely, a large one in part
            _cursor, found = pipe.execute()[-1]
    except AWAY:
        return []
    others = (_present(who, said, now) for who, said in sorted(found.items()) if who != name)
    return [one for one in others if one][:MOST]


def gone(session_id: UUID, name: str) -> None:
    try:
        _client().hdel(_key(session_id), name)
    except AWAY:
        pass


def _key(session_id: UUID) -> str:
    return Keys(settings.SESSION_NAMESPACE).present(session_id)


def _present(name: str, said: str, now: float) -> Present | None:
    """None if expired or invalid: any client of Valkey may have written it."""
    try:
        match json.loads(said):
            case [int() | float() as at, str(doing)] if math.fabs(now - at) < LASTS:
                readable = len(name) <= LONGEST_NAME and "\ufffd" not in name
                return Present(name, doing) if readable else None
    except (ValueError, OverflowError, RecursionError):
        pass
    return None


@cache
def _client() -> Any:
    return open_sync_client(
        settings.VALKEY_URL,
        decode_responses=True,
        encoding_errors="replace",
        socket_timeout=1,
        socket_connect_timeout=1,
    )

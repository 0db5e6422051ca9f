"""Who looks at a session, and who has a dialog open: kept in Valkey for seconds. Without Valkey nobody is shown."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cache
from uuid import UUID

import redis
from django.conf import settings

LASTS = 25
MOST = 20


@dataclass(frozen=True, slots=True)
class Present:
    name: str
    doing: str


def here(session_id: UUID, name: str, doing: str) -> list[Present]:
    """Says that `name` is here, and tells who else is."""
    key = f"{settings.SESSION_NAMESPACE}:present:{session_id}"
    now = time.time()
    try:
        with _client().pipeline(transaction=False) as pipe:
            pipe.hset(key, name, json.dumps([now, doing]))
            pipe.expire(key, LASTS)
            pipe.hgetall(key)
            found = pipe.execute()[-1]
    except redis.RedisError:
        return []
    others = (_present(who, said, now) for who, said in sorted(found.items()) if who != name)
    return [one for one in others if one][:MOST]


def gone(session_id: UUID, name: str) -> None:
    try:
        _client().hdel(f"{settings.SESSION_NAMESPACE}:present:{session_id}", name)
    except redis.RedisError:
        pass


def _present(name: str, said: str, now: float) -> Present | None:
    at, doing = json.loads(said)
    return Present(name, str(doing)) if now - at < LASTS else None


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.VALKEY_URL, decode_responses=True, socket_timeout=1, socket_connect_timeout=1
    )

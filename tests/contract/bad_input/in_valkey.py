"""Bad values in Valkey as the only store. Beside PostgreSQL they are silently ignored."""

from __future__ import annotations

import json

import redis.asyncio

from agent_sessions import SessionManager
from agent_sessions.keys import Keys
from sessions_app import manager_portal
from tests.contract.bad_input.case import Case, Give, Place

NAMESPACE = "elsewhere"


def holds(text: bytes) -> Give:
    """Stores the value under the session's key; the answer is the error of who reads it."""
    return lambda place: manager_portal.portal.run(lambda: _read(place, text))


async def _read(place: Place, text: bytes) -> str:
    async with redis.asyncio.Redis.from_url(place.valkey_url) as client:
        await client.set(Keys(NAMESPACE).copy(place.id), text)
        async with SessionManager(client, None, NAMESPACE) as manager:
            try:
                await manager.get_session(place.id)
            except Exception as error:
                return f"{type(error).__name__}: {error}"
            return "taken"


CASES = [
    Case("in Valkey: broken JSON", holds(b"{"), "InvalidInput: what Valkey holds is no session: it is not JSON"),
    Case("in Valkey: null", holds(b"null"), "InvalidInput: what Valkey holds is no session: it is not a JSON object"),
    Case("in Valkey: a list", holds(b"[]"), "InvalidInput: what Valkey holds is no session: it is not a JSON object"),
    Case("in Valkey: a number", holds(b"5"), "InvalidInput: what Valkey holds is no session: it is not a JSON object"),
    Case("in Valkey: a text", holds(b'"text"'), "InvalidInput: what Valkey holds is no session: it is not a JSON object"),
    Case("in Valkey: bytes that are no text", holds(b"\xff\xfe"), "InvalidInput: what Valkey holds is no session: it is not JSON"),
    Case("in Valkey: an empty object", holds(b"{}"), "InvalidInput: no stored session: session_id is missing"),
    Case("in Valkey: nothing but a version", holds(b'{"version": 9}'), "InvalidInput: no stored session: session_id is missing"),
    Case("in Valkey: JSON 5,000 deep", holds(b"[" * 5000), "InvalidInput: what Valkey holds is no session: it is nested too deeply"),
    Case("in Valkey: an id that is none", holds(b'{"version": 1, "session_id": "x"}'), "InvalidInput: no stored session: 'x' is no session id: a UUID is needed"),
    Case("in Valkey: a version of 31 digits", holds(json.dumps({"version": 10**30, "session_id": 5}).encode()), "InvalidInput: no stored session: '5' is no session id: a UUID is needed"),
]  # fmt: skip

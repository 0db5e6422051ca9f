"""Bad input on the feed's socket, including the handshake."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.test import override_settings

from sessions_app import manager_portal
from sessions_app.live.hub import Hub
from sessions_app.live.sockets import origin
from tests.contract.bad_input.case import Case, Give, Place
from tests.live.screen import Screen

HOST = (b"host", b"dashboard.example")
ID = str(uuid.UUID(int=1))


def comes_from(*headers: tuple[bytes, bytes]) -> Give:
    """A handshake, which is accepted or refused before anything is read."""

    def give(_: Place) -> str:
        with override_settings(ALLOWED_HOSTS=["dashboard.example"]):
            return "admitted" if origin.is_ours({"headers": list(headers)}) else "refused"

    return give


def says(*messages: Any) -> Give:
    """The code and reason with which a page is closed."""
    sent = [m if isinstance(m, str | bytes) else json.dumps(m) for m in messages]
    return lambda _: manager_portal.portal.run(lambda: _closed_with(sent))


async def _closed_with(messages: list[str | bytes]) -> str:
    hub = Hub(dict, "redis://127.0.0.1:1", "breakpilot")  # storage is not used here
    try:
        screen = Screen(hub)
        for message in messages:
            kind = "text" if isinstance(message, str) else "bytes"
            hub.gateway.on_message(screen.socket, {"type": "websocket.receive", kind: message})
        await screen.settled()
        return "{} {}".format(*screen.closed) if screen.closed else "goes on"
    finally:
        await hub.stop()


def hello(**fields: Any) -> Give:
    return says({"type": "hello", "page": "list", "query": "", "rows": {}, **fields})


CASES = [
    Case("a socket from another page", comes_from(HOST, (b"origin", b"https://evil.example")), "refused"),
    Case("a socket from a lookalike", comes_from(HOST, (b"origin", b"https://dashboard.example.evil")), "refused"),
    Case("a socket from nowhere", comes_from(HOST), "refused"),
    Case("a socket from a sandbox", comes_from(HOST, (b"origin", b"null")), "refused"),
    Case("a socket from a file", comes_from(HOST, (b"origin", b"file://dashboard.example")), "refused"),
    Case("a socket with a path in its origin", comes_from(HOST, (b"origin", b"https://dashboard.example/x")), "refused"),
    Case("a socket with a user in its origin", comes_from(HOST, (b"origin", b"https://dashboard.example@evil")), "refused"),
    Case("a socket to a host that is not ours", comes_from((b"host", b"evil"), (b"origin", b"http://evil")), "refused"),
    Case("an origin that is no address", comes_from(HOST, (b"origin", b"http://[::")), "refused"),
    Case("a socket from our own page", comes_from(HOST, (b"origin", b"https://dashboard.example")), "admitted"),
    # --- messages
    Case("no JSON", says("{"), "4400 not JSON"),
    Case("JSON 100,000 deep", says("[" * 100_000), "4413 message too large"),
    Case("JSON that is a list", says([]), "4400 not a JSON object"),
    Case("a type nobody knows", says({"type": "shutdown"}), "4400 unknown type"),
    Case("a type that is a list", says({"type": []}), "4400 unknown type"),
    Case("an acknowledgement of NaN", says('{"type":"ack","n":NaN}'), "4400 n must be a whole number from 0"),
    Case("an acknowledgement below zero", says({"type": "ack", "n": -1}), "4400 n must be a whole number from 0"),
    Case("rows that are no ids", hello(rows={"seven": 1}), "4400 an id must be a UUID"),
    Case("a version of 2^70", hello(rows={ID: 2**70}), "4400 version must be a whole number from 0"),
    Case("1,001 rows", hello(rows={str(uuid.UUID(int=n)): 1 for n in range(1001)}), "4400 rows must be an object of at most 1000 ids"),
    Case("a query of 5,000 characters", hello(query="x" * 5000), "4400 query must be text of at most 4000 characters"),
    Case("a query with half a character", hello(query="\ud800"), "4400 query must be text of at most 4000 characters"),
    Case("a page nobody has", hello(page="admin"), "4400 unknown page"),
    Case("nothing at all", says(""), "4400 not JSON"),
    Case("JSON 30,000 deep", says("[" * 30_000), "4400 not JSON"),
    Case("null", says("null"), "4400 not a JSON object"),
    Case("JSON that is a text", says('"hello"'), "4400 not a JSON object"),
    Case("an object without a type", says("{}"), "4400 unknown type"),
    Case("a type that is a list with a name", says('{"type": ["hello"]}'), "4400 unknown type"),
    Case("a type of other servers", says('{"type": "subscribe"}'), "4400 unknown type"),
    Case("an acknowledgement of nothing", says('{"type": "ack"}'), "4400 n must be a whole number from 0"),
    Case("an acknowledgement of true", says('{"type": "ack", "n": true}'), "4400 n must be a whole number from 0"),
    Case("an acknowledgement of infinity", says('{"type": "ack", "n": 1e400}'), "4400 n must be a whole number from 0"),
    Case("an acknowledgement of what was never sent", says('{"type": "ack", "n": 3}'), "4400 acknowledges what was never sent"),
    Case("a session without an id", hello(page="session"), "4400 an id must be a UUID"),
    Case("a session with SQL", hello(page="session", id="1 OR 1=1"), "4400 an id must be a UUID"),
    Case("a version that is a text", hello(page="session", id=ID, version="2"), "4400 version must be a whole number from 0"),
    Case("rows that are a list", hello(rows=[]), "4400 rows must be an object of at most 1000 ids"),
    Case("a version of null", hello(rows={ID: None}), "4400 version must be a whole number from 0"),
    Case("a query that is a number", hello(query=7), "4400 query must be text of at most 4000 characters"),
    Case("a query of 4,001 characters", hello(query="x" * 4001), "4400 query must be text of at most 4000 characters"),
    Case("a query with NUL", hello(query="q=\x00"), "4400 query must be text of at most 4000 characters"),
    Case("a query of 400 states", hello(query="&".join(f"state={n}" for n in range(1001))[:4000]), "goes on"),
    Case("a language that is an object", hello(language={"de": 1}), "4400 language must be text of at most 20 characters"),
    Case("a time that is a word", hello(since="yesterday"), "4400 since must be a whole number from 0"),
    Case("a number below zero", hello(seq=-4), "4400 seq must be a whole number from 0"),
    Case("a binary message", says(b"\xff"), "4400 only text is understood"),
    Case("a message of 65,537 characters", says("x" * 65_537), "4413 message too large"),
    Case("a flood", says(*[{"type": "ping"}] * 1000), "4429 too many messages"),
]  # fmt: skip

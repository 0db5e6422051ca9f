"""What a browser may not say, and the code and reason each gets. Nothing of it raises."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from sessions_app.feed import codes
from sessions_app.feed.hub import Hub

from .screen import Screen

pytestmark = pytest.mark.django_db(transaction=True)
ID = str(uuid.uuid4())


def hello(**fields: Any) -> str:
    return json.dumps({"type": "hello", "page": "list", "query": "", "rows": {}, **fields})


MALFORMED = {
    "": "not JSON",
    "{": "not JSON",
    "[" * 30_000: "not JSON",
    "null": "not a JSON object",
    "[]": "not a JSON object",
    '"hello"': "not a JSON object",
    "{}": "unknown type",
    '{"type": ["hello"]}': "unknown type",
    '{"type": "subscribe"}': "unknown type",
    '{"type": "ack"}': "n must be a whole number from 0",
    '{"type": "ack", "n": NaN}': "n must be a whole number from 0",
    '{"type": "ack", "n": true}': "n must be a whole number from 0",
    '{"type": "ack", "n": -1}': "n must be a whole number from 0",
    '{"type": "ack", "n": 1e400}': "n must be a whole number from 0",
    '{"type": "ack", "n": 3}': "acknowledges what was never sent",
    hello(page="admin"): "unknown page",
    hello(page="session"): "an id must be a UUID",
    hello(page="session", id="1 OR 1=1"): "an id must be a UUID",
    hello(page="session", id=ID, version="2"): "version must be a whole number from 0",
    hello(rows=[]): "rows must be an object of at most 1000 ids",
    hello(rows={"no-uuid": 1}): "an id must be a UUID",
    hello(rows={ID: 2**70}): "version must be a whole number from 0",
    hello(rows={ID: None}): "version must be a whole number from 0",
    hello(rows={str(uuid.UUID(int=n)): 1 for n in range(1001)}): (
        "rows must be an object of at most 1000 ids"
    ),
    hello(query=7): "query must be text of at most 4000 characters",
    hello(query="x" * 4001): "query must be text of at most 4000 characters",
    hello(query="q=\x00"): "query must be text of at most 4000 characters",
    hello(query="q=\ud800"): "query must be text of at most 4000 characters",
    hello(query="&".join(f"state={n}" for n in range(1001))[:4000]): None,
    hello(language={"de": 1}): "language must be text of at most 20 characters",
    hello(since="yesterday"): "since must be a whole number from 0",
    hello(seq=-4): "seq must be a whole number from 0",
}


@pytest.mark.parametrize("message", MALFORMED)
async def test_a_malformed_message_is_refused_with_its_reason(
    hub_without_ears: Hub, message: str
) -> None:
    screen = Screen(hub_without_ears)
    screen.says(message)
    await screen.settled()
    reason = MALFORMED[message]
    assert screen.closed == (reason and (codes.MALFORMED, reason))


async def test_a_binary_message_is_refused(hub_without_ears: Hub) -> None:
    screen = Screen(hub_without_ears)
    hub_without_ears.pages.hear(screen.socket, {"type": "websocket.receive", "bytes": b"\xff"})
    await screen.settled()
    assert screen.closed == (codes.MALFORMED, "only text is understood")


async def test_a_giant_message_is_refused(hub_without_ears: Hub) -> None:
    screen = Screen(hub_without_ears)
    screen.says("x" * 65_537)
    await screen.settled()
    assert screen.closed == (codes.TOO_LARGE, "message too large")


async def test_a_flood_is_refused_and_what_follows_is_not_read(hub_without_ears: Hub) -> None:
    screen = Screen(hub_without_ears)
    for _ in range(1000):
        screen.says({"type": "ping"})
    await screen.settled()
    assert screen.closed == (codes.FLOOD, "too many messages")


async def test_a_language_nobody_speaks_falls_back(hub_without_ears: Hub) -> None:
    screen = Screen(hub_without_ears)
    screen.says(hello(language="tlh"))
    assert screen.socket.subscription is not None
    assert screen.socket.subscription.key.language == "de"
    hub_without_ears.pages.leave(screen.socket)

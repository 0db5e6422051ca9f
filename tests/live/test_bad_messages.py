"""Unexpected messages of a browser. Refused ones: tests/contract/test_bad_input.py."""

from __future__ import annotations

import pytest

from sessions_app.live.hub import Hub

from .screen import Screen

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_language_nobody_speaks_falls_back(hub_without_ears: Hub) -> None:
    screen = Screen(hub_without_ears)
    screen.says({"type": "hello", "page": "list", "query": "", "rows": {}, "language": "tlh"})
    subscription = hub_without_ears.subscriptions.sockets[screen.socket]
    assert subscription is not None
    assert subscription.key.language == "de"
    hub_without_ears.gateway.leave(screen.socket)

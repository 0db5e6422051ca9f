"""Codes of the library are shown as words."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from agent_sessions import AgentSession
from sessions_app import actions, manager_portal

Make = Callable[..., AgentSession]


@pytest.fixture
def act(client: Client, operator: Any) -> Client:
    client.force_login(operator)
    return client


WORDS = {
    "de": (
        "kein Lebenszeichen des Agenten (Zeitüberschreitung)",
        "Überwachung (automatisch)",
    ),
    "en": ("no heartbeat from the agent (time-out)", "monitor (automatic)"),
}


@pytest.mark.parametrize("language", WORDS)
def test_an_end_for_missing_heartbeats_is_said_in_words(
    act: Client, make_session: Make, language: str
) -> None:
    made = make_session()

    async def watch(manager: Any) -> Any:
        return await manager.cleanup_stale_sessions(timedelta(microseconds=1))

    manager_portal.call(watch)
    page = act.get(f"/sessions/{made.session_id}/", headers={"Accept-Language": language})
    shown = html.unescape(page.content.decode())
    for word in WORDS[language]:
        assert word in shown
    assert ">sweeper<" not in shown
    assert "heartbeat_timeout." not in shown
    assert "<q>heartbeat_timeout</q>" not in shown


def test_a_reason_in_somebodys_own_words_stays(act: Client, make_session: Make) -> None:
    made = make_session()
    actions.perform("pause", made.session_id, actor="olga", reason="Heartbeat_timeout?")
    page = act.get(f"/sessions/{made.session_id}/", headers={"Accept-Language": "de"})
    assert "Heartbeat_timeout?" in page.content.decode()

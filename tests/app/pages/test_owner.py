"""What the session page shows about the owner of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from agent_sessions import AgentSession, HandedBack, SessionManager
from sessions_app import manager_portal
from sessions_app.owner_words import owner_words

ENGLISH, GERMAN = {"Accept-Language": "en"}, {"Accept-Language": "de"}


@pytest.fixture
def look(client: Client, viewer: Any) -> Callable[[AgentSession, dict[str, str]], str]:
    client.force_login(viewer)

    def page(made: AgentSession, language: dict[str, str]) -> str:
        response = client.get(f"/sessions/{made.session_id}/", headers=language)
        assert response.status_code == 200
        return str(response.content.decode())

    return page


def test_the_page_says_who_works_on_it_and_that_it_was_handed_back(
    look: Any, make_session: Any
) -> None:
    made = make_session()

    async def attached(manager: SessionManager) -> Any:
        context = manager.attach(made.session_id)
        return context, await context.__aenter__()

    async def stopped(_: SessionManager) -> None:
        run.stop()
        try:
            await run.safe_point()
        except HandedBack as order:
            await context.__aexit__(HandedBack, order, None)

    context, run = manager_portal.call(attached)
    english, german = look(made, ENGLISH), look(made, GERMAN)
    assert "Worked on by" in english and run.lease.owner_name in english
    assert "extended with each heartbeat" in english
    assert run.lease.owner_name.replace(", process ", ", Prozess ") in german
    assert "In Arbeit bei" in german and "mit jedem Lebenszeichen verlängert" in german
    manager_portal.call(stopped)
    english, german = look(made, ENGLISH), look(made, GERMAN)
    assert 'id="banner-handed-back"' in english and "Handed back" in english
    assert "Vom Agenten abgegeben" in german and "Ein anderer Agent kann sie übernehmen" in german
    assert "Worked on by" not in english


def test_it_says_which_attempt_failed_and_with_what(look: Any, make_session: Any) -> None:
    made = make_session()

    async def attempt(manager: SessionManager) -> None:
        with pytest.raises(ConnectionError):
            async with manager.attach(made.session_id, retry_on=ConnectionError, attempts=5):
                raise ConnectionError("<b>529</b>")

    manager_portal.call(attempt)
    english, german = look(made, ENGLISH), look(made, GERMAN)
    assert "Attempt 1 of 5 failed:" in english and "Versuch 1 von 5 fehlgeschlagen:" in german
    assert "ConnectionError: &lt;b&gt;529&lt;/b&gt;" in english


@pytest.mark.parametrize(
    ("name", "german"),
    [
        ("vm, process 7", "vm, Prozess 7"),
        ("a, process 1, process 2", "a, process 1, Prozess 2"),
        ("grader, process x", "grader, process x"),
        ("%(pid)s, process 7", "%(pid)s, Prozess 7"),
        ("", ""),
        (None, ""),
    ],
)
def test_an_owner_is_named_in_the_readers_language(name: str | None, german: str) -> None:
    with translation.override("de"):
        assert owner_words(name) == german
    with translation.override("en"):
        assert owner_words(name) == (name or "")

"""Views read before they render: templates send no query to PostgreSQL or Valkey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.template import engines
from django.template.backends.django import Template
from django.test import Client

from agent_sessions import AgentSession
from sessions_app import actions, manager_portal

Make = Callable[..., AgentSession]
NAMES = ("essay_marked", "rubric", "essay_marked", "summary")


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rendered templates; one that queries PostgreSQL or Valkey while it renders fails."""
    found: list[str] = []
    render = Template.render

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("asked while a template renders")

    def render_alone(template: Template, *arguments: Any, **more: Any) -> Any:
        found.append(str(template.template.name))
        with connection.execute_wrapper(forbidden), pytest.MonkeyPatch.context() as patch:
            patch.setattr(manager_portal.portal, "run", forbidden)
            return render(template, *arguments, **more)

    monkeypatch.setattr(Template, "render", render_alone)
    return found


def test_asking_while_a_template_renders_is_noticed(rendered: list[str], db: None) -> None:
    template = engines["django"].from_string("{{ ask }}")
    with pytest.raises(AssertionError, match="while a template renders"):
        template.render({"ask": lambda: connection.cursor().execute("SELECT 1")})


ROLLBACK = ("rollback", {"checkpoint_id": 2})
ORDERS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "active": [],
    "paused": [("pause", {})],
    "paused and resumed": [("pause", {}), ("resume", {})],
    "failed": [("fail", {})],
    "rolled back": [ROLLBACK],
    "rolled back and failed again": [("fail", {}), ROLLBACK, ("fail", {})],
    "deleted": [("delete", {})],
}


@pytest.mark.parametrize("state", ORDERS)
@pytest.mark.parametrize("stored", ["turns", "nothing"])
def test_the_page_of_a_session_has_read_everything_that_it_shows(
    client: Client,
    operator: User,
    make_session: Make,
    rendered: list[str],
    state: str,
    stored: str,
) -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    session = make_session(context={"turns": turns} if stored == "turns" else {}, checkpoints=NAMES)
    for verb, more in ORDERS[state]:
        actions.perform(verb, session.session_id, actor="", reason="a test", **more)
    client.force_login(operator)
    page = f"/sessions/{session.session_id}"
    for path in (
        f"{page}/",
        f"{page}/?checkpoints=3&history=4&kind=order",
        f"{page}/?at=2040-01-01T00:00:00Z",
        f"{page}/panels/",
        f"{page}/conversation/",
        f"{page}/at/?t=2026-01-01T00:00:00Z",
    ):
        before = len(rendered)
        assert client.get(path).status_code == 200, path
        assert len(rendered) > before, path


def test_the_lists_have_read_everything_that_they_show(
    client: Client, operator: User, make_session: Make, rendered: list[str]
) -> None:
    for n in range(3):
        make_session(user_id=f"maria{n}", checkpoints=NAMES)
    client.force_login(operator)
    for path in ("/", "/?q=late", "/?q=context.class:7b", "/?state=deleted", "/wall/"):
        assert client.get(path, follow=True).status_code == 200, path
    assert rendered

"""A script tag in any field is shown as text, on every page that shows the field."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client

from agent_sessions import AgentSession, SessionManager
from sessions_app import actions, manager_portal
from sessions_app.selectors.rows import load_rows
from tests.app.pages.conftest import _a_manager_of_its_own
from tests.support.rows import render_row_in

__all__ = ["_a_manager_of_its_own"]

FIELDS = (
    "agent", "user", "key", "value", "metakey", "metavalue", "checkpoint", "data", "actor", "reason", "error",
)  # fmt: skip


def evil(field: str) -> str:
    return f"</p>\"'><x-{field} onload=a()>"


class Elements(HTMLParser):
    """The elements that a browser would create from a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.created: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag.startswith("x-") or any(name.startswith("on") for name, _ in attributes):
            self.created.append(f"{tag} {attributes}")


@pytest.fixture
def session(transactional_db: None) -> AgentSession:
    async def store(manager: SessionManager) -> AgentSession:
        session = await manager.create_session(
            evil("agent"),
            evil("user"),
            {evil("key"): {evil("key"): evil("value")}, "list": [evil("value")]},
            {evil("metakey"): evil("metavalue")},
        )
        session.context["more"] = evil("value")
        session.checkpoint(evil("checkpoint"), {evil("data"): evil("data")})
        await manager.update_session(session)
        return session

    session: AgentSession = manager_portal.call(store)
    who: dict[str, Any] = {"actor": evil("actor"), "reason": evil("reason")}
    actions.perform("pause", session.session_id, **who)
    actions.perform("rollback", session.session_id, checkpoint_id=2, **who)
    manager_portal.call(
        lambda m: m.fail(session.session_id, evil("error"), {"x": evil("error")}, **who)
    )
    return session


PAGES = (
    "/", "/?q=" + "%3Cx-user", "/?state=failed", "/sessions/{id}/", "/sessions/{id}/panels/", "/sessions/{id}/context/",
    "/sessions/{id}/metadata/", "/sessions/{id}/rollbacks/new/?checkpoint=2", "/sessions/{id}/deletions/", "/wall/",
    "/sessions/{id}/pauses/", "/bulk/", "/admin/sessions_app/agentsession/", "/admin/sessions_app/agentsession/{id}/change/",
)  # fmt: skip


@pytest.fixture
def admin(session: AgentSession, django_user_model: Any) -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(django_user_model.objects.create_superuser("root"))
    return client


def test_no_field_creates_an_element_anywhere_and_each_is_shown_somewhere(
    admin: Client, session: AgentSession
) -> None:
    shown = ""
    for path in PAGES:
        answer = admin.get(path.replace("{id}", session.session_id), follow=True)
        assert answer.status_code == 200, path
        page = answer.content.decode()
        assert Elements(page).created == [], path
        shown += unescape(page)
    missing = [field for field in FIELDS if f"<x-{field}" not in shown]
    assert missing == [], "these are not shown at all: the table lost its sense"


def test_the_row_that_is_patched_live_creates_no_element_either(session: AgentSession) -> None:
    from uuid import UUID

    (row,) = load_rows([UUID(session.session_id)])
    for language in ("de", "en"):
        html = render_row_in(row, language=language)
        assert Elements(html).created == []
        assert "&lt;x-agent" in html
        assert "&lt;x-user" in html


def test_the_conflict_and_the_error_of_an_order_create_no_element(
    admin: Client, session: AgentSession
) -> None:
    path = f"/sessions/{session.session_id}"
    for noun in ("resumes", "pauses", "failures", "completions"):
        answer = admin.post(
            f"{path}/{noun}/",
            {"seen_version": "1", "reason": evil("reason")},
            headers={"X-Requested-With": "fetch"},
        )
        assert answer.status_code in (200, 409, 422)
        assert Elements(answer.content.decode()).created == []


def test_what_the_search_says_of_its_words_creates_no_element(
    admin: Client, session: AgentSession
) -> None:
    for words in (
        f"{evil('key')}:x",
        f"state:{evil('value')}",
        f"id:{evil('value')}",
        evil("user"),
    ):
        assert Elements(admin.get("/", {"q": words}).content.decode()).created == []

"""Pages show orders, silence and late writes as the database has them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from agent_sessions import AgentSession, SessionError, SessionManager, WriteRefused
from sessions_app import actions, manager_portal
from tests.app.pages.conftest import _a_manager_of_its_own, make_session

__all__ = ["_a_manager_of_its_own", "make_session"]


@pytest.fixture
def look(transactional_db: None, client: Client, viewer: Any) -> Client:
    client.force_login(viewer)
    return client


def said(client: Client, session: AgentSession, language: str = "en") -> str:
    answer = client.get(f"/sessions/{session.session_id}/", headers={"Accept-Language": language})
    assert answer.status_code == 200
    # names are isolated from the surrounding text
    return answer.content.decode().replace("<bdi>", "").replace("</bdi>", "")


def test_an_order_has_both_times_only_after_the_agent_confirmed(
    look: Client, make_session: Any
) -> None:
    made = make_session()
    ordered = actions.perform("pause", made.session_id, actor="olga", reason="lunch").session
    before = said(look, made)
    assert "not yet confirmed" in before
    assert "olga asked for a pause" in before
    assert "Confirmed by the agent:" not in before  # the words alone are a label of the page
    manager_portal.call(lambda m: m.acknowledge(made.session_id, ordered.order_version))
    after = said(look, made)
    assert "not yet confirmed" not in after
    assert "Asked:" in after
    assert "Confirmed by the agent:" in after


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "pausing: 1 of 2 parts still at work"),
        ("de", "wird pausiert: 1 von 2 Teilaufgaben noch in Arbeit"),
    ],
)
def test_a_pause_says_how_many_parts_are_still_at_work(
    look: Client, make_session: Any, language: str, words: str
) -> None:
    made = make_session()
    ordered = actions.perform("pause", made.session_id, actor="olga", reason="lunch").session
    assert words not in said(look, made, language)
    manager_portal.call(lambda m: m.report_parts(made.session_id, ordered.order_version, 2, 1))
    assert words in said(look, made, language)
    manager_portal.call(lambda m: m.acknowledge(made.session_id, ordered.order_version))
    assert words not in said(look, made, language)


def test_an_order_to_a_silent_agent_says_that_it_cannot_be_confirmed(
    look: Client, make_session: Any
) -> None:
    made = make_session(silent=900)
    actions.perform("pause", made.session_id, actor="olga", reason="lunch")
    assert "It cannot confirm the order while it is." in said(look, made)


def test_late_writes_are_counted_on_the_page(look: Client, make_session: Any) -> None:
    made = make_session()

    async def come_late(manager: SessionManager) -> None:
        copies = [await manager.read(made.session_id) for _ in range(3)]
        await manager.fail(made.session_id, "stuck", actor="olga", reason="stuck")
        for copy in copies:
            assert copy is not None
            copy.checkpoint("too late")
            with pytest.raises(WriteRefused, match="olga ordered fail"):
                await manager.update_session(copy)

    manager_portal.call(come_late)
    assert "3 late saves rejected" in said(look, made)
    assert "too late" not in [
        c.name for c in manager_portal.call(lambda m: m.get_checkpoints(made.session_id))
    ]


def test_an_end_that_no_agent_can_confirm_says_so(look: Client, make_session: Any) -> None:
    made = make_session(silent=5000)
    actions.perform("fail", made.session_id, actor="olga", reason="gone")
    assert "No agent is there to confirm it" in said(look, made)


def test_an_agent_that_still_saves_after_the_end_is_not_called_absent(
    look: Client, make_session: Any
) -> None:
    made = make_session(silent=5000)
    actions.perform("fail", made.session_id, actor="olga", reason="stop")
    made.checkpoint("late", {})

    async def save(manager: Any) -> None:
        with pytest.raises(SessionError):
            await manager.update_session(made)

    manager_portal.call(save)
    page = said(look, made)
    assert "1 late save rejected" in page
    assert "an agent still tried to save after it" in page
    assert "No agent is there" not in page


def test_an_order_without_a_name_says_through_what_it_came(look: Client, make_session: Any) -> None:
    made = make_session()
    manager_portal.call(lambda m: m.pause(made.session_id, actor=None, source="agent"))
    assert "agent asked for a pause" in said(look, made)

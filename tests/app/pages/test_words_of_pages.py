"""Names, codes and numbers of programs are shown as words and figures of the reader's language."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from django.utils import translation

from agent_sessions import AgentSession
from agent_sessions.states import CHECKPOINT_NAMES
from sessions_app import actions
from sessions_app.checkpoint_words import WORDS, own_word
from sessions_app.templatetags.sessions import language_name

Make = Callable[..., AgentSession]
WHO: dict[str, Any] = {"actor": "olga", "reason": "wrong essay"}


@pytest.fixture
def look(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def page(client: Client, path: str, language: str = "de") -> str:
    answer = client.get(path, headers={"Accept-Language": language})
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_every_checkpoint_that_the_library_sets_has_a_word() -> None:
    assert set(CHECKPOINT_NAMES.values()) | {"session_created"} == set(WORDS)
    with translation.override("de"):
        assert own_word("session_paused") == "Beim Pausieren"
        assert (
            own_word("before rollback to session_created")
            == "Vor dem Zurücksetzen auf Beim Anlegen"
        )
        assert own_word("before rollback to essay") == "Vor dem Zurücksetzen auf \u2068essay\u2069"


@pytest.mark.parametrize("name", ["essay", "before rollback to ", "session_created2", ""])
def test_a_name_that_the_agent_chose_stays_as_it_is(name: str) -> None:
    assert own_word(name) == ""


@pytest.mark.parametrize(
    ("language", "created", "before"),
    [
        ("de", "Beim Anlegen", "Vor dem Zurücksetzen auf"),
        ("en", "On creation", "Before rollback to"),
    ],
)
def test_no_page_shows_the_programs_names_of_checkpoints(
    look: Client, make_session: Make, language: str, created: str, before: str
) -> None:
    made = make_session(checkpoints=("essay",))
    assert f">{created}<" in page(look, f"/sessions/{make_session().session_id}/", language)
    assert f">{created}<" in page(look, "/", language)
    actions.perform("rollback", made.session_id, checkpoint_id=1, **WHO)
    at = f"/sessions/{made.session_id}/"
    for path in (at, f"{at}compare/?a=2", f"{at}rollbacks/new/?checkpoint=1", "/"):
        texts = re.sub(r'\s[\w-]+="[^"]*"', "", page(look, path, language))
        assert "session_rolled_back" not in texts, path
        assert "before rollback to" not in texts, path
    assert before in page(look, at, language)


def test_the_time_axis_writes_the_same_words(look: Client, make_session: Make) -> None:
    made = make_session()
    german = look.get(
        f"/sessions/{made.session_id}/timeline/", headers={"Accept-Language": "de"}
    ).json()
    assert german["flags"][0][1] == "Beim Anlegen"


@pytest.mark.parametrize(
    ("code", "german", "english"),
    [("de", "Deutsch", "German"), ("en-GB", "Britisches Englisch", "British English"),
     ("EN", "Englisch", "English"), ("klingon", "klingon", "klingon"), ("", "", "")],
)  # fmt: skip
def test_the_language_of_a_conversation_is_a_name_not_a_code(
    code: str, german: str, english: str
) -> None:
    with translation.override("de"):
        assert language_name(code) == german
    with translation.override("en"):
        assert language_name(code) == english


@pytest.mark.parametrize(
    ("hidden", "german", "english"),
    [
        (1, "1 weiteres Zeichen", "1 more character"),
        (1234, "1.234 weitere Zeichen", "1,234 more characters"),
    ],
)
def test_hidden_characters_are_counted_in_the_readers_figures(
    hidden: int, german: str, english: str
) -> None:
    leaf = {"is_container": False, "hidden": hidden, "key": "k", "text": "x", "address": "k"}
    facts = {"node": {"children": [leaf], "rest": None}, "part": "context",
             "session_id": "00000000-0000-0000-0000-000000000001"}  # fmt: skip
    for language, words in (("de", german), ("en", english)):
        with translation.override(language):
            assert f"… {words}<" in render_to_string("sessions/session/_nodes.html", facts)


def test_places_found_are_counted_with_separators_and_right_in_the_singular() -> None:
    def said(total: int, shown: int) -> str:
        hits = [{"dotted": "a", "address": "a", "text": "x"}] * shown
        facts = {"found": {"total": total, "shown": hits}, "part": "context",
                 "session_id": "00000000-0000-0000-0000-000000000001"}  # fmt: skip
        with translation.override("de"):
            return render_to_string("sessions/session/_found.html", facts).split("</p>")[0]

    assert said(1200, 1).endswith("1.200 Stellen, davon 1 angezeigt")
    assert said(1200, 1100).endswith("1.200 Stellen, davon 1.100 angezeigt")


def test_an_edit_asks_for_its_reason_before_it_is_sent(look: Client, make_session: Make) -> None:
    shown = page(look, f"/sessions/{make_session().session_id}/edits/new/")
    field = shown.split('name="reason"')[1].split(">")[0]
    assert " required" in field
    preview = shown.split('value="preview"')[1].split(">")[0]
    assert "formnovalidate" in preview, "what changes can be looked at without a reason"


def test_the_wall_names_its_columns(look: Client, make_session: Make) -> None:
    make_session()
    head = page(look, "/wall/").split("<thead>")[1].split("</thead>")[0]
    for word in ("Lebenszeichen", "Fortschritt", "Letzter Zwischenstand"):
        assert f">{word}</th>" in head


def test_a_person_speaks_and_an_account_owns() -> None:
    with translation.override("de"):
        assert translation.pgettext("speaker", "User") == "Person"
        assert translation.gettext("User") == "Konto"

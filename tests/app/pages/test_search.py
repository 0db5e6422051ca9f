"""The search box's language."""

import re
from html import unescape
from unicodedata import normalize

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from sessions_app.selectors import search_words
from sessions_app.selectors.search import LONGEST, SearchGroup, parse


def groups(text: str) -> dict[str, set[str]]:
    return {group.key: set(group.values) for group in parse(text).groups}


def test_terms_of_one_key_are_alternatives() -> None:
    assert groups("state:paused state:failed") == {"state": {"paused", "failed"}}


def test_type_is_another_word_for_agent() -> None:
    assert groups("type:grader agent:tutor") == {"agent": {"grader", "tutor"}}


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("late", "late"),
        ("LOST", "lost"),
        ("no-progress", "no_progress"),
    ],
)
def test_conditions_need_no_key(text: str, condition: str) -> None:
    assert groups(text) == {"condition": {condition}}


def test_quoted_text_is_text_whatever_it_says() -> None:
    assert parse('"late"').groups == (SearchGroup("text", frozenset({"late"})),)


def test_each_free_word_must_be_found() -> None:
    assert len(parse("maria essay").groups) == 2


def test_a_quoted_value_may_hold_spaces() -> None:
    assert groups('user:"maria brandt"') == {"user": {"maria brandt"}}


def test_an_unknown_key_names_the_one_that_was_meant(settings: object) -> None:
    with translation.override("en"):
        (error,) = parse("agnt:grader").errors
        assert error == "The search does not know “agnt:”. Did you mean “agent:”?"
        (error,) = parse("colour:red").errors
        assert "state:, agent:" in error
    with translation.override("de"):
        (error,) = parse("agnt:grader").errors
        assert "Meinten Sie „agent:“?" in error


@pytest.mark.parametrize("text", ["state:sleeping", "id:xyz", "x" * (LONGEST + 1)])
def test_nonsense_is_an_error_and_no_filter(text: str) -> None:
    found = parse(text)
    assert found.errors
    assert not found.groups


@pytest.mark.parametrize("text", ["", "   ", '""', "a:", ":", "\x00", '"', "user:"])
def test_half_typed_searches_do_not_break(text: str) -> None:
    parse(text)


@pytest.mark.parametrize("text", ["pausing", "state:pausing", "PAUSING"])
def test_a_pause_that_is_not_confirmed_is_a_state_of_its_own(text: str) -> None:
    assert groups(text) == {"state": {"pausing"}}


@pytest.mark.parametrize("reader", ["de", "en"])
@pytest.mark.parametrize(
    ("german", "english"),
    [
        ("status:pausiert", "state:paused"),
        ("Status:Gelöscht zustand:aktiv", "state:deleted state:active"),
        ("status:überfällig", "state:late"),
        ("typ:grader", "agent:grader"),
        ('konto:"maria brandt"', 'user:"maria brandt"'),
        ("kennung:3f2a", "id:3f2a"),
        ("zwischenstand:essay", "checkpoint:essay"),
        ("kontext.Klasse:7b metadaten.a.b:1", "context.Klasse:7b metadata.a.b:1"),
        ("älter:2h", "older:2h"),
        (normalize("NFD", "älter:2h überfällig"), "older:2h late"),
        ("überfällig verloren Kontakt-Verloren", "late lost lost"),
        ("ohne-fortschritt wird-pausiert", "no-progress pausing"),
        ('"überfällig"', '"überfällig"'),
    ],
)
def test_german_words_are_understood_as_the_english_ones(
    german: str, english: str, reader: str
) -> None:
    with translation.override(reader):
        found = parse(german)
        assert not found.errors
        assert groups(german) == groups(english)


def test_every_word_of_one_language_has_one_in_the_other() -> None:
    for words in (search_words.KEYS, search_words.VALUES):
        assert len({frozenset(one) for one in words.values()}) == 1
        for one in words.values():
            assert len(set(one.values())) == len(one)


def test_errors_name_the_words_of_the_readers_language() -> None:
    with translation.override("de"):
        (error,) = parse("status:schläft").errors
        assert "wird-pausiert" in error and "no" not in error.split("sind:")[1]
        (error,) = parse("farbe:rot").errors
        assert "status:, agent:, konto:" in error and "metadaten.…:" in error
        (error,) = parse("zwischnstand:a").errors
        assert "„zwischenstand:“" in error
    with translation.override("en"):
        (error,) = parse("state:sleeping").errors
        assert "no-progress" in error and "no_progress" not in error


def test_the_help_shows_words_that_the_search_understands() -> None:
    def shown(language: str) -> list[str]:
        with translation.override(language):
            page = render_to_string("sessions/list/_help.html")
        return [unescape(found) for found in re.findall("<code>(.*?)</code>", page)]

    german, english = shown("de"), shown("en")
    assert "status:pausiert" in german
    assert "state:paused" in english
    assert [groups(word) for word in german] == [groups(word) for word in english]
    assert not any(parse(word).errors for word in german)

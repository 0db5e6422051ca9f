"""The search box's language."""

import pytest

from sessions_app.selectors.search import LONGEST, Group, parse


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
    assert parse('"late"').groups == (Group("text", frozenset({"late"})),)


def test_each_free_word_must_be_found() -> None:
    assert len(parse("maria essay").groups) == 2


def test_a_quoted_value_may_hold_spaces() -> None:
    assert groups('user:"maria brandt"') == {"user": {"maria brandt"}}


def test_an_unknown_key_names_the_one_that_was_meant(settings: object) -> None:
    from django.utils import translation

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

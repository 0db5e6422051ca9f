"""Turns and conversations as plain data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent_sessions.conversation import ConversationConfig, ConversationState, ConversationTurn
from agent_sessions.errors import InvalidInput


def asked(content, **more) -> ConversationTurn:
    return ConversationTurn("user", content, **more)


def answered(content, **more) -> ConversationTurn:
    return ConversationTurn("assistant", content, **more)


def test_a_conversation_begins_empty_and_in_dutch():
    state = ConversationState()
    assert (state.turns, state.current_slots, state.current_template_id) == ([], {}, None)
    assert state.language == "nl"
    assert state.get_previous_user_turn() is None


def test_a_user_turn_with_slots_updates_the_current_slots_and_template():
    state = ConversationState()
    state.add_turn(
        asked("Museums in Hengelo?", template_id="by_city", slots={"type": "M", "city": "Hengelo"})
    )
    state.add_turn(asked("And in Enschede?", slots={"city": "Enschede"}))
    assert state.current_slots == {"type": "M", "city": "Enschede"}
    assert state.current_template_id == "by_city"


def test_neither_an_assistant_nor_a_turn_without_slots_changes_them():
    state = ConversationState(current_slots={"city": "Hengelo"}, current_template_id="by_city")
    state.add_turn(answered("Three.", template_id="other", slots={"city": "Ulft"}))
    state.add_turn(asked("Thanks"))
    assert state.current_slots == {"city": "Hengelo"}
    assert state.current_template_id == "by_city"


def test_the_previous_user_turn_is_the_latest_that_was_asked():
    state = ConversationState([asked("one"), answered("1"), asked("two"), answered("2")])
    assert state.get_previous_user_turn() == asked("two")


def test_the_turns_of_one_conversation_do_not_change_the_slots_of_the_turn_they_came_from():
    state, turn = ConversationState(), asked("?", slots={"city": "Hengelo"})
    state.add_turn(turn)
    state.add_turn(asked("?", slots={"city": "Ulft"}))
    assert turn.slots == {"city": "Hengelo"}


def test_what_is_written_is_read_back_the_same():
    state = ConversationState(language="de")
    state.add_turn(
        asked("Wo?", resolved_question="Wo in Köln?", template_id="t", slots={"ort": "Köln"})
    )
    state.add_turn(answered("Hier 🙂", results=[{"name": "Museum", "lat": 50.9, "tags": []}]))
    assert ConversationState.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_the_stored_fields_are_those_of_the_contract():
    stored = ConversationState([asked("?")]).to_dict()
    assert list(stored) == ["turns", "current_slots", "current_template_id", "language"]
    assert list(stored["turns"][0]) == [
        "role", "content", "resolved_question", "template_id", "slots", "results"
    ]  # fmt: skip


def test_missing_and_unknown_fields_are_no_obstacle():
    turn = {
        "role": "user",
        "content": "?",
        "timestamp": "2026-01-01",
        "slots": None,
        "results": None,
    }
    state = ConversationState.from_dict({"turns": [turn], "session_id": "x"})
    assert state == ConversationState([asked("?")])


@pytest.mark.parametrize(
    "stored",
    [
        None, [], "text", {"turns": "x"}, {"turns": [1]}, {"turns": [{"role": "user"}]},
        {"turns": [{"role": "user", "content": 3}]}, {"current_slots": []}, {"language": 5},
        {"turns": [{"role": "user", "content": "?", "results": [1]}]},
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_refused_clearly(stored):
    with pytest.raises(InvalidInput):
        ConversationState.from_dict(stored)


@pytest.mark.parametrize(
    ("turn", "why"),
    [
        (ConversationTurn("system", "?"), "role must be user or assistant"),
        (asked("a\x00b"), "NUL"),
        (asked("a\ud800b"), "lone surrogate"),
        (asked("x" * 100_001), "100001 characters"),
        (asked("?", resolved_question="\x00"), "resolved_question contains a NUL"),
        (asked("?", slots={"city": 5}), "slots.city must be text"),
        (asked("?", slots={"city": "\ud800"}), "lone surrogate"),
        (asked("?", slots={str(n): "x" for n in range(101)}), "101 entries"),
        (asked("?", slots={str(n): "x" * 900 for n in range(90)}), "bytes"),
        (answered("!", results="all"), "results must be a list"),
        (answered("!", results=[1]), "list of dicts"),
        (answered("!", results=[{"a": float("nan")}]), "JSON"),
        (answered("!", results=[{"a": object()}]), "JSON"),
        (answered("!", results=[{"a": "\x00"}]), "NUL"),
        (answered("!", results=[{"a": "x" * 1_100_000}]), "1,048,576 are allowed"),
        (asked(None), "content must be text"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_refused_with_the_reason(turn, why):
    with pytest.raises(InvalidInput, match=why):
        turn.encode()


def test_results_nested_without_end_are_refused():
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(InvalidInput, match="nested too deeply"):
        answered("!", results=[deep]).encode()


def test_the_configuration_is_that_of_the_contract():
    config = ConversationConfig()
    assert (config.ttl_seconds, config.cleanup_interval_seconds, config.max_sessions) == (
        1800,
        300,
        10_000,
    )
    assert (config.valkey_url, config.valkey_prefix, config.valkey_db) == (
        None,
        "heritage:session:",
        1,
    )


@pytest.mark.parametrize("wrong", [{"ttl_seconds": 0}, {"max_sessions": -1}, {"valkey_prefix": ""}])
def test_a_configuration_that_cannot_work_is_refused(wrong):
    with pytest.raises(InvalidInput):
        ConversationConfig(**wrong)

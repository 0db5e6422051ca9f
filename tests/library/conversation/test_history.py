"""The conversation as a DSPy module reads it."""

from __future__ import annotations

import sys

import pytest

from agent_sessions.conversation import ConversationState, ConversationTurn, History
from agent_sessions.conversation.models import history_type


@pytest.fixture
def state() -> ConversationState:
    state = ConversationState()
    for n in range(5):
        state.add_turn(ConversationTurn("user", f"and {n}?", resolved_question=f"how many in {n}?"))
        state.add_turn(ConversationTurn("assistant", f"{n}"))
    return state


@pytest.fixture
def without_dspy(monkeypatch):
    monkeypatch.setitem(sys.modules, "dspy", None)
    history_type.cache_clear()
    yield
    history_type.cache_clear()


LAST_SIX = [
    {"role": "user", "content": "how many in 2?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "how many in 3?"},
    {"role": "assistant", "content": "3"},
    {"role": "user", "content": "how many in 4?"},
    {"role": "assistant", "content": "4"},
]


def test_without_dspy_the_last_six_turns_come_in_the_same_shape(state, without_dspy):
    history = state.to_dspy_history()
    assert isinstance(history, History)
    assert history.messages == LAST_SIX


def test_an_unresolved_question_is_given_as_it_was_asked(without_dspy):
    state = ConversationState([ConversationTurn("user", "Museums?")])
    assert state.to_dspy_history().messages == [{"role": "user", "content": "Museums?"}]


def test_an_empty_conversation_has_an_empty_history(without_dspy):
    assert ConversationState().to_dspy_history().messages == []


PAIRS = [{"asked": f"how many in {n}?", "told": f"{n}"} for n in (2, 3, 4)]


def test_named_after_a_signature_each_answered_question_is_one_message(state, without_dspy):
    state.add_turn(ConversationTurn("user", "unanswered"))
    state.turns.pop(0)
    assert state.to_dspy_history(question="asked", answer="told").messages == PAIRS[1:]

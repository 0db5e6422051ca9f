"""Conversations as DSPy reads them."""

from __future__ import annotations

import dspy
import pytest

from agent_sessions.conversation import ConversationState, ConversationTurn


@pytest.fixture
def state() -> ConversationState:
    state = ConversationState()
    for n in range(5):
        state.add_turn(ConversationTurn("user", f"and {n}?", resolved_question=f"how many in {n}?"))
        state.add_turn(ConversationTurn("assistant", f"{n}"))
    return state


def test_with_dspy_it_is_a_real_history(state: ConversationState) -> None:
    history = state.to_dspy_history()
    assert isinstance(history, dspy.History)
    contents = [message["content"] for message in history.messages]
    assert contents == ["how many in 2?", "2", "how many in 3?", "3", "how many in 4?", "4"]


def test_the_model_gets_to_see_the_conversation_through_dspys_own_adapter(
    state: ConversationState,
) -> None:
    signature = dspy.Signature("asked: str, history: dspy.History -> told: str")
    inputs = {
        "asked": "and now?",
        "history": state.to_dspy_history(question="asked", answer="told"),
    }
    messages = dspy.ChatAdapter().format(signature, [], inputs)[1:]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 3 + ["user"]
    assert "how many in 2?" in messages[0]["content"]
    assert "None" not in "".join(message["content"] for message in messages)

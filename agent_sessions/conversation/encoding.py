"""Conversions between conversations and their stored form."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agent_sessions.basic_errors import InvalidInput
from agent_sessions.conversation.models import (
    MAX_SLOT,
    ConversationState,
    ConversationTurn,
    check_slots,
)
from agent_sessions.conversation.snapshot import QUESTION_LENGTH, Addition, Snapshot, dumps
from agent_sessions.validation import text as check_text


def addition_of(turns: Sequence[ConversationTurn]) -> Addition:
    """These turns as an addition. Raises InvalidInput if they cannot be stored."""
    encoded = [turn.encode() for turn in turns]
    later = ConversationState(turns=[])
    for turn in turns:
        later.add_turn(turn)
    previous = later.get_previous_user_turn()
    return Addition(
        turns=encoded,
        slots=dict(later.current_slots),
        template_id=later.current_template_id,
        question=previous.content[:QUESTION_LENGTH] if previous else None,
    )


def snapshot_of(state: ConversationState) -> Snapshot:
    """The stored form of a state. Raises InvalidInput if it cannot be stored."""
    check_slots(state.current_slots, "current_slots")
    if state.current_template_id is not None:
        check_text(state.current_template_id, "current_template_id", MAX_SLOT)
    check_text(state.language, "language", 35, required=True)
    turns = [turn.encode() for turn in state.turns]
    return Snapshot(turns, dict(state.current_slots), state.current_template_id, state.language)


def snapshot_in(text: str, stamp: str = "") -> Snapshot:
    """Parses stored text; ignores unknown fields. Raises InvalidInput if it is not a conversation."""
    try:
        state = ConversationState.from_dict(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"what is stored is no conversation: {error}") from None
    turns = [dumps(turn.to_dict()) for turn in state.turns]
    return Snapshot(turns, state.current_slots, state.current_template_id, state.language, stamp)


def state_of(snapshot: Snapshot) -> ConversationState:
    """A copy that shares no objects with the snapshot."""
    state = ConversationState(
        turns=[ConversationTurn.from_dict(turn) for turn in json.loads(snapshot.turns_text())],
        current_slots=dict(snapshot.slots),
        current_template_id=snapshot.template_id,
        language=snapshot.language,
    )
    state.origin = snapshot.copy()
    return state

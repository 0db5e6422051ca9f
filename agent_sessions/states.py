"""States and the verbs between them. All lists of states, verbs and their checkpoints come from here."""

from __future__ import annotations

from enum import StrEnum

from agent_sessions.basic_errors import InvalidTransition


class SessionState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    DELETED = "deleted"


A, P, C, F, D = SessionState

LIVE_STATES = frozenset({A, P})
FINAL_STATES = frozenset({C, F, D})

# verb -> state before -> state after. Restoring goes to the state before the deletion.
TRANSITIONS: dict[str, dict[SessionState, SessionState]] = {
    "pause": {A: P},
    "resume": {P: A},
    "complete": {A: C, P: C},
    "fail": {A: F, P: F},
    "rollback": {A: A, P: A, C: A, F: A},
    "delete": {A: D, P: D, C: D, F: D},
}
# The checkpoint that each verb adds.
CHECKPOINT_NAMES = {
    "pause": "session_paused",
    "resume": "session_resumed",
    "complete": "session_completed",
    "fail": "session_failed",
    "rollback": "session_rolled_back",
    "delete": "session_deleted",
    "restore": "session_restored",
}
CREATED = "session_created"


def result(verb: str) -> SessionState | None:
    """The one state that `verb` leads to; None for a restore, and for a rollback, which may keep the state."""
    after = set(TRANSITIONS.get(verb, {}).values())
    return after.pop() if len(after) == 1 and not after & TRANSITIONS[verb].keys() else None


def is_transition_checkpoint(name: str) -> bool:
    """Whether a transition adds it, not the agent. Reads the table each time: applications may add verbs."""
    return name == CREATED or name in CHECKPOINT_NAMES.values()


def ending_checkpoints() -> list[str]:
    """The checkpoints of the verbs that end a session."""
    return [name for verb, name in CHECKPOINT_NAMES.items() if result(verb) in FINAL_STATES]


def verbs_to(state: SessionState) -> list[str]:
    """The verbs that lead to `state`; an agent's own transition is the first."""
    return [verb for verb in TRANSITIONS if result(verb) == state]


def target(current: SessionState, verb: str) -> SessionState | None:
    """The state that `verb` leads to from `current`; None if `current` is that state already.

    Raises InvalidTransition if the verb is forbidden in this state.
    """
    if result(verb) == current:
        return None
    try:
        return TRANSITIONS[verb][current]
    except KeyError:
        raise InvalidTransition(current=current, verb=verb) from None


def sources(verb: str) -> list[str]:
    """The states in which `verb` may be used."""
    return [D.value] if verb == "restore" else [state.value for state in TRANSITIONS[verb]]

"""Turns and conversations as plain data."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, Self

from agent_sessions import validation
from agent_sessions.basic_errors import InvalidInput
from agent_sessions.conversation.snapshot import Snapshot
from agent_sessions.json_errors import key_error

ROLES = ("user", "assistant")
HISTORY_TURNS = 6
MAX_CONTENT = 100_000
MAX_TURN_BYTES = 1024 * 1024
MAX_SLOTS = 100
MAX_SLOT = 1_000
MAX_SLOTS_BYTES = 16 * 1024


@dataclass
class ConversationTurn:
    role: str
    content: str
    resolved_question: str | None = None
    template_id: str | None = None
    slots: dict[str, str] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {
            "role": self.role,
            "content": self.content,
            "resolved_question": self.resolved_question,
            "template_id": self.template_id,
            "slots": dict(self.slots),
            "results": list(self.results),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Ignores unknown fields; missing ones get their defaults. Raises InvalidInput if it is not a turn."""
        if not isinstance(stored, Mapping):
            raise InvalidInput(f"no turn: {str(stored)[:60]!r}")
        role, content = stored.get("role"), stored.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            raise InvalidInput("no turn: role and content must be text")
        return cls(
            role=role,
            content=content,
            resolved_question=_optional_text(stored, "resolved_question"),
            template_id=_optional_text(stored, "template_id"),
            slots=_read_slots(stored.get("slots")),
            results=_read_results(stored.get("results")),
        )

    def encode(self) -> str:
        """The JSON to store. Raises InvalidInput with the reason if a value cannot be stored."""
        if self.role not in ROLES:
            raise InvalidInput(f"role must be user or assistant, not {str(self.role)[:40]!r}")
        validation.text(self.content, "content", MAX_CONTENT)
        if self.resolved_question is not None:
            validation.text(self.resolved_question, "resolved_question", MAX_CONTENT)
        if self.template_id is not None:
            validation.text(self.template_id, "template_id", MAX_SLOT)
        check_slots(self.slots)
        if not isinstance(self.results, list | tuple):
            raise InvalidInput(f"results must be a list, not {type(self.results).__name__}")
        if not all(isinstance(result, dict) for result in self.results):
            raise InvalidInput("results must be a list of dicts")
        return validation.json_object(self.to_dict(), "the turn", MAX_TURN_BYTES)


@dataclass
class ConversationState:
    turns: list[ConversationTurn] = field(default_factory=list)
    current_slots: dict[str, str] = field(default_factory=dict)
    current_template_id: str | None = None
    language: str = "nl"
    origin: Snapshot | None = field(default=None, init=False, repr=False, compare=False)
    """What was stored when this copy was made: `update` tells from it what was added here."""

    @property
    def stamp(self) -> str:
        """The stored version that this state was read from, as in `ConversationManager.stamps`; "" if none."""
        return self.origin.stamp if self.origin else ""

    def add_turn(self, turn: ConversationTurn) -> None:
        self.turns.append(turn)
        if turn.role == "user" and turn.slots:
            self.current_slots.update(turn.slots)
            self.current_template_id = turn.template_id or self.current_template_id

    def get_previous_user_turn(self) -> ConversationTurn | None:
        return next((turn for turn in reversed(self.turns) if turn.role == "user"), None)

    def to_dspy_history(self, *, question: str | None = None, answer: str | None = None) -> Any:
        """The last six turns as a `dspy.History`, or as `History` where DSPy is not installed.

        Each turn is a message with role and content. DSPy's own adapters read a history by the names of the signature's
        fields instead and ignore other messages: give these names (`question="question", answer="answer"`), and each
        answered question becomes one message with these fields.
        """
        turns = self.turns[-HISTORY_TURNS:]
        if question and answer:
            pairs = [
                {question: asked.resolved_question or asked.content, answer: answered.content}
                for asked, answered in pairwise(turns)
                if (asked.role, answered.role) == ROLES
            ]
            return history_type()(messages=pairs)
        messages = [
            {"role": turn.role, "content": turn.resolved_question or turn.content} for turn in turns
        ]
        return history_type()(messages=messages)

    def to_dict(self) -> dict[str, Any]:
        return {
            "turns": [turn.to_dict() for turn in self.turns],
            "current_slots": dict(self.current_slots),
            "current_template_id": self.current_template_id,
            "language": self.language,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Raises InvalidInput if it is not a conversation."""
        if not isinstance(stored, Mapping):
            raise InvalidInput(f"no conversation: {str(stored)[:60]!r}")
        turns = stored.get("turns") or []
        if not isinstance(turns, list):
            raise InvalidInput("no conversation: turns must be a list")
        return cls(
            turns=[ConversationTurn.from_dict(turn) for turn in turns],
            current_slots=_read_slots(stored.get("current_slots")),
            current_template_id=_optional_text(stored, "current_template_id"),
            language=_optional_text(stored, "language") or "nl",
        )


@dataclass(frozen=True)
class History:
    """The fields of `dspy.History`, for use without DSPy."""

    messages: list[dict[str, Any]]


@cache
def history_type() -> Any:
    try:
        return importlib.import_module("dspy").History
    except ImportError:
        return History


def check_slots(slots: object, what: str = "slots") -> None:
    if not isinstance(slots, dict):
        raise InvalidInput(f"{what} must be a dict, not {type(slots).__name__}")
    if len(slots) > MAX_SLOTS:
        raise InvalidInput(f"{what} has {len(slots)} entries: {MAX_SLOTS} are allowed")
    for name, value in slots.items():
        if not isinstance(name, str):
            raise InvalidInput(f"{what} cannot be written as JSON: {key_error((name,))}")
        validation.text(name, f"a name in {what}", MAX_SLOT)
        validation.text(value, f"{what}.{name[:40]}", MAX_SLOT)
    validation.json_object(slots, what, MAX_SLOTS_BYTES)


def _optional_text(stored: Mapping[str, Any], name: str) -> str | None:
    value = stored.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidInput(f"{name} must be text, not {type(value).__name__}")
    return value


def _read_slots(stored: Any) -> dict[str, str]:
    """Slots as text to text: other programs have stored numbers."""
    if stored is None:
        return {}
    if not isinstance(stored, Mapping):
        raise InvalidInput(f"slots must be a dict, not {type(stored).__name__}")
    for name in stored:
        if not isinstance(name, str):
            raise InvalidInput(f"slots cannot be written as JSON: {key_error((name,))}")
    return {name: str(value) for name, value in stored.items() if value is not None}


def _read_results(stored: Any) -> list[dict[str, Any]]:
    if stored is None:
        return []
    if not isinstance(stored, list) or not all(isinstance(item, dict) for item in stored):
        raise InvalidInput("results must be a list of dicts")
    return list(stored)

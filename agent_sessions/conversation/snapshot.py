"""The stored form of a conversation (each turn already JSON), and additions to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

QUESTION_LENGTH = 200


def dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass
class Addition:
    """Turns and head fields that one call adds. `number` makes sending it twice harmless."""

    turns: list[str] = field(default_factory=list)
    slots: dict[str, str | None] = field(default_factory=dict)  # None removes the slot
    template_id: str | None = None
    language: str | None = None
    question: str | None = None
    number: int = 0
    refused: Exception | None = None

    @property
    def size(self) -> int:
        return sum(len(turn.encode()) + 1 for turn in self.turns)

    @property
    def empty(self) -> bool:
        return not (self.turns or self.slots or self.template_id or self.language)


@dataclass
class Snapshot:
    turns: list[str] = field(default_factory=list)
    slots: dict[str, str] = field(default_factory=dict)
    template_id: str | None = None
    language: str = "nl"
    stamp: str = ""
    """The stored version that this equals; "" if it is not known to equal any."""

    def to_text(self) -> str:
        head = dumps(
            {
                "current_slots": self.slots,
                "current_template_id": self.template_id,
                "language": self.language,
            }
        )
        return f'{{"turns":{self.turns_text()},{head[1:]}'

    def turns_text(self) -> str:
        return f"[{','.join(self.turns)}]"

    def copy(self) -> Snapshot:
        return Snapshot(
            list(self.turns), dict(self.slots), self.template_id, self.language, self.stamp
        )

    def add(self, addition: Addition) -> None:
        self.turns.extend(addition.turns)
        for name, value in addition.slots.items():
            if value is None:
                self.slots.pop(name, None)
            else:
                self.slots[name] = value
        self.template_id = addition.template_id or self.template_id
        self.language = addition.language or self.language

    def addition_to(self, later: Snapshot) -> Addition | None:
        """The difference to `later`; None if turns were removed or rewritten, or the template was removed."""
        count = len(self.turns)
        if later.turns[:count] != self.turns or (self.template_id and not later.template_id):
            return None
        changed: dict[str, str | None] = {
            name: value for name, value in later.slots.items() if self.slots.get(name) != value
        }
        changed.update({name: None for name in self.slots if name not in later.slots})
        return Addition(
            turns=later.turns[count:],
            slots=changed,
            template_id=later.template_id if later.template_id != self.template_id else None,
            language=later.language if later.language != self.language else None,
            question=last_question(later.turns[count:]),
        )

    def joined_with(self, other: Snapshot) -> Snapshot:
        """Merges two versions: their common first turns, then the other turns of this one, then those of `other`."""
        shared = 0
        for mine, theirs in zip(self.turns, other.turns, strict=False):
            if mine != theirs:
                break
            shared += 1
        joined = other.copy()
        joined.turns = self.turns + other.turns[shared:]
        joined.slots = {**self.slots, **other.slots}
        joined.template_id = other.template_id or self.template_id
        return joined


def last_question(turns: Sequence[str]) -> str | None:
    for turn in reversed(turns):
        stored = json.loads(turn)
        if stored["role"] == "user":
            return str(stored["content"])[:QUESTION_LENGTH]
    return None

"""Turns of a conversation, from Valkey or from a context in which the agent stores them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models.expressions import RawSQL

from agent_sessions.conversation import ConversationState

from ..models import HistoryEntry
from . import conversation_client
from .timeline import AGENTS, TURNS, parse_moment

SHOWN = 200
LONGEST = 4000
FACT = 300
FACTS = 30
IDLE = timedelta(minutes=2)
TIMES = ("at", "timestamp", "time", "created_at")
KNOWN = frozenset(
    {"role", "content", "resolved_question", "template_id", "slots", "results", *TIMES}
)


@dataclass(slots=True)
class Turn:
    """`idle` is the pause before the turn, if known and long."""

    role: str
    content: str
    resolved: str = ""
    template: str = ""
    slots: list[tuple[str, str]] = field(default_factory=list)
    results: str = ""
    at: datetime | None = None
    idle: timedelta | None = None
    n: int = 0
    exchange: int = 0

    @property
    def asks(self) -> bool:
        return self.role == "user"

    @property
    def cut(self) -> int:
        return max(len(self.content) - LONGEST, 0)

    @property
    def text(self) -> str:
        return self.content[:LONGEST]


@dataclass(slots=True)
class Conversation:
    source: str
    turns: list[Turn]
    earlier: int = 0
    language: str = ""
    slots: list[tuple[str, str]] = field(default_factory=list)
    template: str = ""
    stamp: str = ""

    @property
    def total(self) -> int:
        return self.earlier + len(self.turns)

    @property
    def questions(self) -> list[Turn]:
        return [turn for turn in self.turns if turn.asks]


def read_live(session_id: UUID, conversation_id: str, context: Any) -> Conversation:
    """From Valkey, else from the context. May have no turns."""
    state = conversation_client.peek(conversation_id)
    found = of_state(state) if state and state.turns else of_context(context)
    if found is None:
        found = Conversation("store", [])
    elif found.source == "context" or conversation_id == str(session_id):
        # turns of a shared one were stored by other sessions, too
        _date(found.turns, session_id, None)
    found.stamp = state.stamp if state else ""
    return found


def read_past(session_id: UUID, context: Any, version: int | None) -> Conversation | None:
    """Only from the context: turns in Valkey have no times."""
    found = of_context(context)
    if found is not None and version is not None:
        _date(found.turns, session_id, version)
    return found


def of_state(state: ConversationState) -> Conversation:
    first = max(len(state.turns) - SHOWN, 0)
    turns = [
        Turn(
            role=turn.role,
            content=turn.content,
            resolved=_resolved(turn.resolved_question, turn.content),
            template=(turn.template_id or "")[:FACT],
            slots=_facts(turn.slots),
            results=_json(turn.results),
        )
        for turn in state.turns[first:]
    ]
    _number(turns, first)
    template = (state.current_template_id or "")[:FACT]
    return Conversation(
        "store", turns, first, state.language[:35], _facts(state.current_slots), template
    )


def of_context(context: Any) -> Conversation | None:
    stored = context.get("turns") if isinstance(context, dict) else None
    if not isinstance(stored, list):
        return None
    items = [_of_item(item) for item in stored if isinstance(item, dict)]
    found = [turn for item in items for turn in item]
    if not found:
        return None
    first = max(len(found) - SHOWN, 0)
    turns = found[first:]
    _number(turns, first)
    if any(len(item) > 1 for item in items):
        for n, item in enumerate(items):
            for turn in item:
                turn.exchange = n
    return Conversation("context", turns, first)


def _number(turns: Sequence[Turn], first: int) -> None:
    """An exchange begins with a turn of the user."""
    exchange = 0
    for n, turn in enumerate(turns, 1):
        exchange += turn.asks and n > 1
        turn.n, turn.exchange = first + n, exchange


def _of_item(item: dict[str, Any]) -> list[Turn]:
    """An item is a turn or an exchange: a question and its answer, or a tutor's question, the answer and the reply."""
    at = next((parse_moment(item[k]) for k in TIMES if isinstance(item.get(k), str)), None)
    text = {key: value for key, value in item.items() if isinstance(value, str)}
    rest = {
        key: value
        for key, value in item.items()
        if key not in (*KNOWN, "question", "answer", "reply")
    }
    if "role" in text and "content" in text:
        turn = Turn(text["role"][:40], text["content"], at=at)
        turn.resolved = _resolved(text.get("resolved_question"), turn.content)
        turn.template = text.get("template_id", "")[:FACT]
        turn.slots = _facts(item.get("slots")) + _facts(rest)
        turn.results = _json(item.get("results"))
        return [turn]
    roles = ("assistant", "user", "assistant") if "reply" in text else ("user", "assistant")
    said = [key for key in ("question", "answer", "reply") if key in text]
    turns = [Turn(role, text[key], at=at) for key, role in zip(said, roles, strict=False)]
    if turns:
        turns[-1].slots = _facts(rest)
    return turns


def _date(turns: Sequence[Turn], session_id: UUID, version: int | None) -> None:
    """Sets the time of each exchange to that of the version that stored it, counted back from the newest."""
    if not any(turn.at for turn in turns):
        newest = turns[-1].exchange
        stored_at = _stored_at(session_id, version, newest + 1)
        for turn in turns:
            back = newest - turn.exchange
            turn.at = stored_at[back] if back < len(stored_at) else None
    before = None
    for turn in turns:
        if turn.at and before and turn.at - before >= IDLE:
            turn.idle = turn.at - before
        before = turn.at or before


def _stored_at(session_id: UUID, version: int | None, limit: int) -> list[datetime]:
    """When the agent stored turns, newest first."""
    entries = HistoryEntry.objects.of(session_id).filter(source__in=AGENTS)
    if version is not None:
        entries = entries.filter(version__lte=version)
    turns = entries.alias(turn=RawSQL(TURNS, ())).filter(turn=True)  # noqa: S611
    return list(turns.newest_first().values_list("at", flat=True)[:limit])


def _resolved(question: str | None, content: str) -> str:
    return "" if not question or question == content else question[:LONGEST]


def _facts(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, dict):
        return []
    pairs = list(value.items())[:FACTS]
    return [(str(k)[:FACT], v[:FACT] if isinstance(v, str) else _json(v, FACT)) for k, v in pairs]


def _json(value: Any, longest: int = LONGEST) -> str:
    return "" if value in (None, [], {}) else json.dumps(value, ensure_ascii=False)[:longest]

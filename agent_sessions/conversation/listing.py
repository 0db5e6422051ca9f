"""The list of live conversations, a page at a time."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from agent_sessions.basic_errors import InvalidInput
from agent_sessions.conversation.encoding import snapshot_in
from agent_sessions.conversation.local_cache import CachedConversation
from agent_sessions.conversation.snapshot import QUESTION_LENGTH, last_question

MAX_PAGE = 500


@dataclass(frozen=True)
class ConversationSummary:
    id: str
    language: str
    turns: int
    last_question: str | None
    idle_seconds: float
    expires_in_seconds: float | None
    """None: another program stored it without an expiry."""

    @property
    def session_id(self) -> str | None:
        """The agent session of this conversation, if it has its session's id; None if the id is not a UUID."""
        try:
            return str(uuid.UUID(self.id))
        except ValueError:
            return None


@dataclass(frozen=True)
class ConversationPage:
    items: list[ConversationSummary]
    after: str | None
    """Asks for the next page; None at the end."""
    complete: bool
    """False: Valkey is away, and this is only what this process remembers."""


def parse_cursor(after: str | None) -> tuple[str, str]:
    if not after:
        return "", ""
    at, separator, conversation_id = after.partition("/")
    if not (separator and at.isascii() and at.isdigit() and len(at) <= 16 and conversation_id):
        raise InvalidInput(f"{after[:60]!r} is no place in the list")
    return at, conversation_id


def stored_page(now: str, rows: list[list[str]], limit: int) -> ConversationPage:
    """`rows` has one more than the page, if there is a next one."""
    items = [_stored_summary(float(now), row) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    return ConversationPage(items, f"{last[1]}/{last[0]}" if last else None, complete=True)


def _stored_summary(now: float, row: list[str]) -> ConversationSummary:
    conversation_id, used, left, language, turns, question, text = row
    count = int(turns) if turns.isascii() and turns.isdigit() and len(turns) < 10 else 0
    if text:
        language, count, question = _read_foreign(text)
    return ConversationSummary(
        id=conversation_id,
        language=language,
        turns=count,
        last_question=question or None,
        idle_seconds=max(0.0, (now - float(used)) / 1000),
        expires_in_seconds=float(left) / 1000 if float(left) >= 0 else None,
    )


def _read_foreign(text: str) -> tuple[str, int, str]:
    try:
        snapshot = snapshot_in(text)
    except InvalidInput:
        return "", 0, ""
    return snapshot.language, len(snapshot.turns), last_question(snapshot.turns) or ""


def local_page(
    entries: Iterable[CachedConversation],
    *,
    now: float,
    ttl: float,
    limit: int,
    after: str,
    complete: bool,
) -> ConversationPage:
    """A page from memory, most recently used first; `after` is the last id of the page before."""
    items: list[ConversationSummary] = []
    skipping = bool(after)
    for entry in entries:
        idle = now - entry.used
        view = entry.view("") if idle < ttl and not skipping else None
        skipping = skipping and entry.id != after
        if view is None:
            continue
        if len(items) == limit:
            return ConversationPage(items, f"0/{items[-1].id}", complete)
        question = (last_question(view.turns) or "")[:QUESTION_LENGTH]
        items.append(
            ConversationSummary(
                entry.id, view.language, len(view.turns), question or None, idle, ttl - idle
            )
        )
    return ConversationPage(items, None, complete)

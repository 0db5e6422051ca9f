"""The methods of `WriteBehind` without Valkey: memory is the store."""

from __future__ import annotations

import itertools

from agent_sessions.conversation.config import ConversationConfig
from agent_sessions.conversation.local_cache import CachedConversation, LocalConversations
from agent_sessions.conversation.snapshot import Snapshot
from agent_sessions.conversation.stats import Counts
from agent_sessions.conversation.store import check_size


class MemoryOnly:
    def __init__(
        self, config: ConversationConfig, local: LocalConversations, counts: Counts, language: str
    ) -> None:
        self._config = config
        self._local = local
        self._counts = counts
        self._language = language
        self._versions = itertools.count(1)

    async def refresh(self, entry: CachedConversation, *, keep: bool) -> bool:
        return entry.known is not None

    async def push(self, entry: CachedConversation) -> None:
        if entry.known is None:
            entry.known = Snapshot(language=self._language)
            self._counts.created += 1
        while entry.pending:
            entry.known.add(entry.pending.popleft())
        entry.known.stamp = self._stamp()
        self._local.settle(entry)

    async def replace(
        self, entry: CachedConversation, snapshot: Snapshot, expected: str
    ) -> str | None:
        if expected and entry.known and entry.known.stamp != expected:
            return None
        check_size(entry.id, snapshot.to_text(), self._config)
        self._counts.created += entry.known is None
        entry.known = snapshot.copy()
        entry.known.stamp = self._stamp()
        entry.size = sum(len(turn.encode()) for turn in snapshot.turns)
        return entry.known.stamp

    async def delete(self, entry: CachedConversation) -> bool:
        existed = entry.known is not None
        entry.known = None
        return existed

    def _stamp(self) -> str:
        return f"{next(self._versions)}:memory"

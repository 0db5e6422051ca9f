"""Conversations cached by one process, least recently used first. Use and eviction are O(1)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from agent_sessions.basic_errors import StorageUnavailable
from agent_sessions.conversation.snapshot import Addition, Snapshot


@dataclass(eq=False)
class CachedConversation:
    id: str
    used: float
    known: Snapshot | None = None
    """The stored version as last read or written; without a store, the conversation itself. None if unknown."""
    pending: deque[Addition] = field(default_factory=deque)
    """Added here and not yet confirmed by the store, oldest first."""
    generation: int = 0
    """The generation of the store in which `known` was read."""
    size: int = 0
    """Bytes of additions that the store has not checked against the limit yet; without a store, of all turns."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def unknown(self) -> bool:
        return self.known is None and not self.pending

    def view(self, language: str) -> Snapshot | None:
        """The conversation as this process knows it, unconfirmed additions included."""
        if self.unknown:
            return None
        view = self.known.copy() if self.known else Snapshot(language=language)
        for addition in self.pending:
            view.add(addition)
        return view


class LocalConversations:
    """An LRU cache: `settled` entries may be evicted; `waiting` ones hold unsent turns and are never evicted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._settled: OrderedDict[str, CachedConversation] = OrderedDict()
        self._waiting: dict[str, CachedConversation] = {}
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._settled) + len(self._waiting)

    @property
    def waiting(self) -> list[CachedConversation]:
        return list(self._waiting.values())

    def newest_first(self) -> Iterator[CachedConversation]:
        return chain(list(self._waiting.values())[::-1], reversed(self._settled.values()))

    def find(self, conversation_id: str) -> CachedConversation | None:
        return self._settled.get(conversation_id) or self._waiting.get(conversation_id)

    def open(self, conversation_id: str, now: float) -> CachedConversation:
        """The entry of this id. Raises StorageUnavailable if memory is full of entries that wait for Valkey."""
        entry = self.find(conversation_id)
        if entry is None:
            self._make_room()
            entry = self._settled[conversation_id] = CachedConversation(conversation_id, now)
        self.touch(entry, now)
        return entry

    def keep(self, entry: CachedConversation, now: float) -> None:
        """Adds an entry, unless a concurrent reader already did or there is no room."""
        if self.find(entry.id) is None:
            try:
                self._make_room()
            except StorageUnavailable:
                return
            self._settled[entry.id] = entry
        self.touch(entry, now)

    def touch(self, entry: CachedConversation, now: float) -> None:
        entry.used = now
        if self._settled.get(entry.id) is entry:
            self._settled.move_to_end(entry.id)

    def wait(self, entry: CachedConversation) -> None:
        self._settled.pop(entry.id, None)
        self._waiting[entry.id] = entry

    def settle(self, entry: CachedConversation) -> None:
        if self._waiting.pop(entry.id, None) is not None:
            self._settled[entry.id] = entry

    def forget(self, entry: CachedConversation) -> None:
        for entries in (self._settled, self._waiting):
            if entries.get(entry.id) is entry:
                del entries[entry.id]

    def drop_idle(self, since: float) -> list[CachedConversation]:
        """Removes and returns the entries last used at `since` or before."""
        idle = [entry for entry in self._waiting.values() if entry.used <= since]
        for entry in self._settled.values():
            if entry.used > since:
                break
            idle.append(entry)
        for entry in idle:
            self.forget(entry)
        return idle

    def _make_room(self) -> None:
        while len(self) >= self._limit:
            if not self._settled:
                raise StorageUnavailable(
                    f"{len(self._waiting):,} conversations wait for Valkey: nothing more is taken on"
                )
            self._settled.popitem(last=False)
            self.evicted += 1

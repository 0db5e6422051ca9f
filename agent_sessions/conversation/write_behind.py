"""Synchronises a cached conversation with the stored one. Every method is called with the entry's lock held."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TypeVar

from agent_sessions.basic_errors import InvalidInput, StorageUnavailable
from agent_sessions.conversation.encoding import snapshot_in
from agent_sessions.conversation.local_cache import CachedConversation, LocalConversations
from agent_sessions.conversation.snapshot import Addition, Snapshot
from agent_sessions.conversation.stats import Counts
from agent_sessions.conversation.store import (
    NOTHING_STORED,
    Appended,
    ConversationStore,
    DataLost,
    Unreachable,
)

logger = logging.getLogger(__name__)

BATCH = 200
ATTEMPTS = 20
Result = TypeVar("Result")


class WriteBehind:
    def __init__(
        self, store: ConversationStore, local: LocalConversations, counts: Counts, language: str
    ) -> None:
        self._store = store
        self._local = local
        self._counts = counts
        self._language = language

    async def refresh(self, entry: CachedConversation, *, keep: bool) -> bool:
        """Sends pending additions, then reads the conversation. True if the cache was current. Raises Unreachable."""

        async def step() -> bool:
            await self._push(entry)
            return await self._read(entry, keep=keep)

        return await self._in_current_generation(entry, step)

    async def push(self, entry: CachedConversation) -> None:
        """Sends pending additions; those that cannot be stored are marked refused. Raises Unreachable."""
        await self._in_current_generation(entry, lambda: self._push(entry))

    async def replace(
        self, entry: CachedConversation, snapshot: Snapshot, expected: str
    ) -> str | None:
        """The new stamp; None if the stored version is not `expected` ("" for any). Raises Unreachable."""

        async def step() -> str | None:
            await self._push(entry)
            stamp = await self._store.replace(entry.id, snapshot, expected)
            return stamp or await self._stamp_if_ours(entry, snapshot)

        stamp = await self._in_current_generation(entry, step)
        if stamp:
            entry.known = snapshot.copy()
            entry.known.stamp = stamp
        return stamp

    async def delete(self, entry: CachedConversation) -> bool:
        entry.known = None
        return await self._in_current_generation(entry, lambda: self._store.delete(entry.id))

    async def _in_current_generation(
        self, entry: CachedConversation, step: Callable[[], Awaitable[Result]]
    ) -> Result:
        for _ in range(ATTEMPTS):
            try:
                await self._store.connect()
                if entry.generation != self._store.generation:
                    await self._restore(entry)
                    entry.generation = self._store.generation
                return await step()
            except DataLost:
                continue
        raise Unreachable("Valkey keeps losing its data")

    async def _read(self, entry: CachedConversation, *, keep: bool) -> bool:
        known = entry.known
        reading = await self._store.read(entry.id, known.stamp if known else "", keep=keep)
        if not reading.found:
            entry.known = None
            return False
        if reading.text is None:
            return True
        if known and _went_back(known.stamp, reading.stamp):
            await self._merge_back(entry)
        else:
            entry.known = snapshot_in(reading.text, reading.stamp)
        return False

    async def _push(self, entry: CachedConversation) -> None:
        while entry.pending:
            batch = list(islice(entry.pending, BATCH))
            try:
                appended = await self._append(entry, batch)
            except (InvalidInput, StorageUnavailable) as error:
                self._refuse(entry, batch, error)
            else:
                await self._confirm(entry, batch, appended)
        entry.size = 0
        self._local.settle(entry)

    async def _append(self, entry: CachedConversation, batch: list[Addition]) -> Appended:
        for _ in range(ATTEMPTS):
            appended = await self._store.append(entry.id, batch, self._language)
            if appended:
                return appended
            await self._rewrite_in_our_order(entry.id)
        raise Unreachable("another program keeps rewriting this conversation")

    async def _confirm(
        self, entry: CachedConversation, batch: list[Addition], appended: Appended
    ) -> None:
        known = entry.known
        if known and _went_back(known.stamp, appended.before):
            await self._merge_back(entry)
        else:
            if known is None or appended.before == NOTHING_STORED:
                known = Snapshot(language=self._language, stamp=NOTHING_STORED)
                self._counts.created += appended.before == NOTHING_STORED
            in_step = known.stamp == appended.before
            for addition in batch:
                known.add(addition)
            known.stamp = appended.after if in_step else ""
            entry.known = known
        for _ in batch:
            entry.pending.popleft()

    def _refuse(self, entry: CachedConversation, batch: list[Addition], error: Exception) -> None:
        logger.error("conversation %s: %d additions refused: %s", entry.id, len(batch), error)
        self._counts.refused += len(batch)
        for addition in batch:
            addition.refused = error
            entry.pending.popleft()

    async def _rewrite_in_our_order(self, conversation_id: str) -> None:
        reading = await self._store.read(conversation_id, "", keep=False)
        if reading.found and reading.text is not None:
            snapshot = snapshot_in(reading.text)
            await self._store.replace(conversation_id, snapshot, reading.stamp)

    async def _stamp_if_ours(self, entry: CachedConversation, snapshot: Snapshot) -> str | None:
        """The stamp if an earlier rewrite, whose answer was lost, has been stored."""
        reading = await self._store.read(entry.id, "", keep=True)
        stored = reading.text is not None and reading.text.rstrip() == snapshot.to_text()
        return reading.stamp if stored else None

    async def _restore(self, entry: CachedConversation) -> None:
        try:
            await self._merge_back(entry)
        except InvalidInput as error:
            logger.error("conversation %s cannot be given back to Valkey: %s", entry.id, error)
            entry.known = None

    async def _merge_back(self, entry: CachedConversation) -> None:
        """Merges the cached conversation into the stored one after Valkey lost recent data."""
        if entry.known is None:
            return
        for _ in range(ATTEMPTS):
            reading = await self._store.read(entry.id, "", keep=False)
            joined = entry.known.copy()
            if reading.text is not None:
                joined = entry.known.joined_with(snapshot_in(reading.text))
            stamp = await self._store.replace(entry.id, joined, reading.stamp or NOTHING_STORED)
            if stamp:
                joined.stamp = stamp
                entry.known = joined
                return
        raise Unreachable("another program keeps rewriting this conversation")


def _went_back(known: str, stored: str) -> bool:
    """Whether Valkey was restored from an older copy. Version 0 says nothing: other programs do not count versions."""
    return 0 < _version(stored) < _version(known)


def _version(stamp: str) -> int:
    """0 if it is not a number: another program may have written it."""
    number = stamp.partition(":")[0]
    return int(number) if number.isascii() and number.isdigit() else 0

"""The public API of conversations. `write_behind.py` talks to Valkey, `local_cache.py` caches."""

from __future__ import annotations

import itertools
import logging
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import Any, Self

from agent_sessions import argument_checks as check
from agent_sessions.conversation.config import ConversationConfig
from agent_sessions.conversation.encoding import addition_of, snapshot_of, state_of
from agent_sessions.conversation.ids import check_id as check_id  # re-exported
from agent_sessions.conversation.listing import (
    MAX_PAGE,
    ConversationPage,
    local_page,
    parse_cursor,
    stored_page,
)
from agent_sessions.conversation.local_cache import CachedConversation, LocalConversations
from agent_sessions.conversation.maintenance import ConversationMaintenance
from agent_sessions.conversation.memory import MemoryOnly
from agent_sessions.conversation.models import ConversationState, ConversationTurn
from agent_sessions.conversation.snapshot import Addition, Snapshot
from agent_sessions.conversation.stats import Counts
from agent_sessions.conversation.store import (
    NOTHING_STORED,
    ConversationStore,
    DataLost,
    Unreachable,
    full,
)
from agent_sessions.conversation.write_behind import WriteBehind
from agent_sessions.errors import Conflict, StorageUnavailable
from agent_sessions.keys import ConversationKeys

logger = logging.getLogger(__name__)


class ConversationManager:
    """Conversations in memory and, if configured, in Valkey. Belongs to one event loop.

    `async with`, `await manager` and `start()` start its background task. Without it idle conversations stay in memory
    until they are used again or evicted, and waiting turns are sent only with the next call for the same conversation.
    """

    def __init__(
        self,
        config: ConversationConfig | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config or ConversationConfig()
        self._clock = clock
        self._counts = Counts()
        self._local = LocalConversations(self.config.max_sessions)
        self._numbers = itertools.count(1)
        self._store: ConversationStore | None = None
        self._write_behind: WriteBehind | MemoryOnly
        shared = (self._local, self._counts, self.config.default_language)
        if self.config.valkey_url:
            self._store = ConversationStore(self.config.valkey_url, self.config, clock)
            self._write_behind = WriteBehind(self._store, *shared)
        else:
            self._write_behind = MemoryOnly(self.config, *shared)
        self._maintenance = ConversationMaintenance(
            self.config, self._local, self._counts, clock, self._store, self._write_behind
        )

    async def start(self) -> None:
        """Succeeds even if Valkey does not answer; it is tried again, and `redis_available` of `get_stats` tells."""
        await self._maintenance.start()

    async def stop(self) -> None:
        """Sends waiting turns, and logs an error if some could not be sent."""
        await self._maintenance.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    def generate_session_id(self) -> str:
        return str(uuid.uuid4())

    async def get(self, session_id: str) -> ConversationState | None:
        """A copy. Reading extends the conversation's time to live."""
        view = await self._look(check_id(session_id), keep=True)
        return state_of(view) if view else None

    async def peek(self, session_id: str) -> ConversationState | None:
        """A copy for an observer: neither extends the time to live nor counts as a hit or miss."""
        view = await self._look(check_id(session_id), keep=False)
        return state_of(view) if view else None

    async def get_or_create(self, session_id: str | None = None) -> tuple[str, ConversationState]:
        session_id = check_id(session_id) if session_id is not None else self.generate_session_id()
        view = await self._look(session_id, keep=True)
        if view is None:
            entry = await self._append(session_id, Addition())
            view = entry.view(self.config.default_language) or Snapshot()
            if not view.stamp and self._reachable:  # another process created it first
                view = await self._look(session_id, keep=True) or view
        return session_id, state_of(view)

    async def update(self, session_id: str, state: ConversationState) -> None:
        """Stores the changes made to `state` since it was read, and keeps what others added meanwhile.

        If turns were removed or rewritten, the state replaces the stored conversation; raises Conflict if someone
        changed that meanwhile. A state that was not read from a manager replaces whatever is stored; one whose
        conversation has expired is stored again.
        """
        session_id = check_id(session_id)
        mine, origin = snapshot_of(state), state.origin
        addition = origin.addition_to(mine) if origin else None
        if origin is None or addition is None:
            expected = (origin.stamp or "unknown") if origin else ""
            stored = await self._replace(session_id, mine, expected)
        elif await self._look(session_id, keep=True) is None and self._reachable:
            stored = await self._replace(session_id, mine, NOTHING_STORED)
        elif addition.empty:
            stored = origin.stamp
        else:
            known = (await self._append(session_id, addition)).known
            stored = known.stamp if known else ""
        mine.stamp = stored
        state.origin = mine

    async def delete(self, session_id: str) -> bool:
        """Returns whether the conversation existed. Raises StorageUnavailable while Valkey is unavailable."""
        session_id = check_id(session_id)
        entry = self._find_live(session_id) or CachedConversation(session_id, self._clock())
        async with entry.lock:
            entry.pending.clear()
            self._local.forget(entry)
            try:
                return await self._write_behind.delete(entry)
            except Unreachable as error:
                raise StorageUnavailable(f"{session_id} is not deleted: {error}") from error

    async def add_turn_to_session(
        self,
        session_id: str,
        question: str,
        answer: str,
        resolved_question: str | None = None,
        template_id: str | None = None,
        slots: dict[str, str] | None = None,
        results: list[dict[str, Any]] | None = None,
    ) -> None:
        """Adds a question and its answer atomically. Safe for concurrent processes."""
        asked = ConversationTurn("user", question, resolved_question, template_id, slots or {})
        answered = ConversationTurn("assistant", answer, results=results or [])
        await self._append(check_id(session_id), addition_of([asked, answered]))

    async def stamps(self, session_ids: Sequence[str]) -> dict[str, str]:
        """By id, a text that changes with the stored conversation; none without Valkey. Raises StorageUnavailable."""
        names = [check_id(session_id) for session_id in session_ids]
        if self._store is None or not names:
            return {}
        try:
            return dict(zip(names, await self._store.stamps(names), strict=True))
        except Unreachable as error:
            raise StorageUnavailable(f"conversations cannot be read: {error}") from error

    async def list_conversations(
        self, limit: int = 50, after: str | None = None
    ) -> ConversationPage:
        """Live conversations, most recently used first. Does not extend their time to live."""
        check.whole(limit, "limit", 1, MAX_PAGE)
        after_at, after_id = parse_cursor(after)
        if self._store:
            try:
                now, rows = await self._store.page(limit, after_at, after_id)
                return stored_page(now, rows, limit)
            except (Unreachable, DataLost):
                pass
        return local_page(
            self._local.newest_first(),
            now=self._clock(),
            ttl=self.config.ttl_seconds,
            limit=limit,
            after=after_id,
            complete=self._store is None,
        )

    def get_stats(self) -> dict[str, int | bool]:
        since = self._clock() - self.config.ttl_seconds
        return {
            "sessions_created": self._counts.created,
            "sessions_expired": self._counts.expired,
            "sessions_evicted": self._local.evicted,
            "cache_hits": self._counts.hits,
            "cache_misses": self._counts.misses,
            "active_sessions": sum(entry.used > since for entry in self._local.newest_first()),
            "redis_available": self._reachable,
            "sessions_waiting": len(self._local.waiting),
            "writes_refused": self._counts.refused,
        }

    @property
    def changes_channel(self) -> str:
        return ConversationKeys(self.config.valkey_prefix).changes

    async def tick(self) -> None:
        """One run of the background task: reconnects, sends waiting turns, drops idle entries."""
        await self._maintenance.tick()

    @property
    def _reachable(self) -> bool:
        return self._store is not None and self._store.available

    def _find_live(self, session_id: str) -> CachedConversation | None:
        """The cached entry. Without an answer from Valkey, one past its time to live is dropped here."""
        entry = self._local.find(session_id)
        if entry is None or self._reachable:
            return entry
        if self._clock() - entry.used < self.config.ttl_seconds:
            return entry
        self._local.forget(entry)
        self._counts.expired += 1
        return None

    async def _look(self, session_id: str, *, keep: bool) -> Snapshot | None:
        entry = self._find_live(session_id) or CachedConversation(session_id, self._clock())
        async with entry.lock:
            hit = known = entry.known is not None
            try:
                hit = await self._write_behind.refresh(entry, keep=keep)
            except Unreachable:
                pass
            view = entry.view(self.config.default_language)
            if view is None:
                self._local.forget(entry)
                self._counts.expired += known
            elif keep:
                self._local.keep(entry, self._clock())
        if keep:
            self._counts.hits += hit
            self._counts.misses += not hit
        return view

    async def _append(self, session_id: str, addition: Addition) -> CachedConversation:
        """Returns after the addition is stored, or queued while Valkey is unavailable."""
        known = self._find_live(session_id)
        if (known.size if known else 0) + addition.size > self.config.max_bytes:
            raise full(session_id, self.config)
        entry = self._local.open(session_id, self._clock())
        addition.number = next(self._numbers)
        entry.size += addition.size
        entry.pending.append(addition)
        self._local.wait(entry)
        async with entry.lock:
            try:
                await self._write_behind.push(entry)
            except Unreachable:
                logger.debug("conversation %s waits for Valkey", session_id)
            if entry.unknown:
                self._local.forget(entry)
        if addition.refused:
            raise addition.refused
        return entry

    async def _replace(self, session_id: str, mine: Snapshot, expected: str) -> str:
        entry = self._local.open(session_id, self._clock())
        async with entry.lock:
            try:
                stamp = await self._write_behind.replace(entry, mine, expected)
            except Unreachable as error:
                raise StorageUnavailable(f"{session_id} is not stored: {error}") from error
            finally:
                if entry.unknown:
                    self._local.forget(entry)
        if stamp is None:
            raise Conflict(None, ["the conversation"])
        return stamp

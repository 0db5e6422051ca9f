"""Reads a session: a copy where PostgreSQL has the same version, else the row."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from itertools import count

from agent_sessions.batching import Batcher, BatchItem
from agent_sessions.errors import StorageUnavailable
from agent_sessions.models import AgentSession, Head
from agent_sessions.session_cache import SessionCache
from agent_sessions.stores.postgres import PostgresStore
from agent_sessions.stores.store import Store
from agent_sessions.valkey_cache import ValkeyCache, ValkeyText, copy_in
from agent_sessions.valkey_client import AWAY

logger = logging.getLogger(__name__)

AT_ONCE = 16  # copies, each of which may have megabytes

# The copy in Valkey, and the head in PostgreSQL or the error instead of it.
Answers = tuple[ValkeyText | None, Head | StorageUnavailable | None]


class SessionReader:
    def __init__(
        self,
        store: Store,
        cache: SessionCache,
        valkey: ValkeyCache | None,
    ) -> None:
        self._store = store
        self._cache = cache
        self._asking: Batcher[str, Answers] | None = None
        if isinstance(store, PostgresStore) and valkey is not None:
            ask = partial(_ask_both, store, valkey)
            self._asking = Batcher(ask, most=AT_ONCE, in_flight=2)
        # Reads have no order among them: each is a key of its own, so that none waits for another's answer.
        self._questions = count()

    async def get(self, session_id: str) -> AgentSession | None:
        """From the local cache, then Valkey, then PostgreSQL."""
        kept = self._cache.session(session_id)
        if kept is not None and await self._is_newest(kept):
            # Not before the second read, because most sessions are read once.
            self._cache.begin_following(session_id)
            return kept
        followed = self._cache.is_subscribed(session_id)
        session, text = await self._newest_copy(session_id, followed=followed) or (None, None)
        if session is None:
            session = await self._store.read(session_id)
        if session is not None:
            in_valkey = text is not None
            self._cache.put(session, followed=followed, in_valkey=in_valkey, text=text)
        return session

    async def close(self) -> None:
        """Waits for reads in progress."""
        if self._asking is not None:
            await self._asking.close()

    async def _newest_copy(
        self, session_id: str, *, followed: bool
    ) -> tuple[AgentSession, ValkeyText] | None:
        """The copy in Valkey, and its JSON."""
        if self._asking is None:
            return None
        text, head = await self._asking.submit(str(next(self._questions)), session_id)
        copy = copy_in(text, session_id) if text else None
        if text is None or copy is None or not self._is_current(copy, head, followed=followed):
            return None
        return copy, text

    async def _is_newest(self, copy: AgentSession) -> bool:
        followed = self._cache.is_subscribed(copy.session_id)
        head: Head | StorageUnavailable | None
        try:
            head = await self._store.head(copy.session_id)
        except StorageUnavailable as error:
            head = error
        return self._is_current(copy, head, followed=followed)

    def _is_current(
        self, copy: AgentSession, head: Head | StorageUnavailable | None, *, followed: bool
    ) -> bool:
        """Whether PostgreSQL has the same version: old agents and psql announce nothing.

        While PostgreSQL is unavailable, a copy that equals the announced head counts as current.
        """
        if isinstance(head, StorageUnavailable):
            if self._cache.head(copy.session_id) == copy.head:
                return True
            raise head
        if head is None or (head.timeline, head.version) != (copy.timeline, copy.version):
            return False
        self._cache.observe(head, keep=followed)
        copy.refused_writes = head.refused_writes
        copy.last_heartbeat = max(copy.last_heartbeat, head.last_heartbeat or copy.last_heartbeat)
        return True


async def _ask_both(
    store: PostgresStore, valkey: ValkeyCache, group: Sequence[BatchItem[str, Answers]]
) -> None:
    """Asks both at the same time: a copy newer than PostgreSQL's answer is not used, which only costs a read."""
    ids = [waiting.item for waiting in group]
    texts, heads = await asyncio.gather(_copies(valkey, ids), _heads(store, ids))
    for waiting, text in zip(group, texts, strict=True):
        answer = heads if isinstance(heads, StorageUnavailable) else heads.get(waiting.item)
        waiting.resolve((text, answer))


async def _copies(valkey: ValkeyCache, ids: list[str]) -> Sequence[ValkeyText | None]:
    try:
        return await valkey.get(ids)
    except AWAY as error:
        logger.debug("no copies from Valkey: %s", error)
        return [None] * len(ids)


async def _heads(store: PostgresStore, ids: list[str]) -> dict[str, Head] | StorageUnavailable:
    try:
        return await store.heads(ids)
    except StorageUnavailable as error:
        return error

"""Announces stored changes in Valkey, and retries failed announcements."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from agent_sessions.models import Head
from agent_sessions.session_cache import SessionCache, is_older
from agent_sessions.valkey_cache import ValkeyCache
from agent_sessions.valkey_client import AWAY

logger = logging.getLogger(__name__)


class ChangePublisher:
    """Every head is already stored, so a failed announcement raises nothing and is retried."""

    def __init__(self, cache: SessionCache, valkey: ValkeyCache | None) -> None:
        self._cache = cache
        self._valkey = valkey
        self._unpublished: dict[str, Head] = {}
        # In-flight publishes of `publish_soon` by session, each with the newest head queued behind it.
        self._in_flight: dict[str, Head | None] = {}
        # Called when an announcement failed: `publish_unpublished` has to be called later.
        self.on_unpublished: Callable[[], None] = lambda: None

    async def publish(self, head: Head) -> None:
        self._cache.observe(head)
        await self._announce(head)

    def publish_soon(self, head: Head) -> None:
        """As `publish`, without waiting. While one of the session is in flight, only the newest head is queued."""
        self._cache.observe(head)
        if self._valkey is None:
            return
        if head.session_id not in self._in_flight:
            self._announce_in_background(self._valkey, head)
            return
        queued = self._in_flight[head.session_id]
        if queued is None or not is_older(head, queued):
            self._in_flight[head.session_id] = head

    async def publish_all(self, heads: Iterable[Head]) -> None:
        await asyncio.gather(*(self._announce(head) for head in heads))

    async def publish_unpublished(self) -> None:
        waiting, self._unpublished = list(self._unpublished.values()), {}
        await self.publish_all(waiting)

    async def settle(self) -> None:
        """Waits for copies and announcements in flight. A failed announcement stays in the retry queue."""
        if self._valkey is not None:
            await self._valkey.settle()
            await self._valkey.settle()  # for the head that was queued behind an announcement

    async def _announce(self, head: Head) -> None:
        if self._valkey is None:
            return
        try:
            await self._valkey.announce(head)
        except AWAY as error:
            self._keep_for_later(head, error)

    def _announce_in_background(self, valkey: ValkeyCache, head: Head) -> None:
        self._in_flight[head.session_id] = None

        def announced() -> None:
            queued = self._in_flight.pop(head.session_id)
            if queued is not None:
                self._announce_in_background(valkey, queued)

        def failed(error: BaseException) -> None:
            self._keep_for_later(self._in_flight.pop(head.session_id) or head, error)

        valkey.announce_soon(head, announced, failed)

    def _keep_for_later(self, head: Head, error: BaseException) -> None:
        logger.warning("a change could not be announced yet: %s", error)
        self._unpublished[head.session_id] = head
        self.on_unpublished()

"""Conversations on open pages: after a change in Valkey its stamp is read once for all pages.

A page with another stamp reads the conversation again. No version of a session is needed,
PostgreSQL is not queried, and lost messages are found by comparing the stamps at intervals.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence

from agent_sessions import StorageUnavailable

from ..limits import FeedLimits
from ..state.subscriptions import SubscriptionRegistry
from .outbox import Outbox

log = logging.getLogger(__name__)

Stamps = Callable[[Sequence[str]], dict[str, str]]


class ConversationPush:
    """`read` is called in a thread, because Valkey may block."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
        read: Stamps,
        *,
        monotonic: Callable[[], float],
        limits: FeedLimits,
    ) -> None:
        self._subscriptions, self._read = registry, read
        self._monotonic, self._limits = monotonic, limits
        self._compared_at = monotonic()

    def on_message(self, payload: str) -> None:
        """Any client may publish, so the message only says which stamp to read."""
        try:
            watched = self._subscriptions.conversations.get(json.loads(payload)["id"])
        except (ValueError, TypeError, KeyError, RecursionError):
            log.warning(
                "a message on the channel of conversations that is none of ours was dropped"
            )
            return
        if watched is not None:
            watched.due = True

    def compare(self) -> None:
        """After missed messages: the next `push` reads all stamps."""
        self._compared_at = self._monotonic()
        for watched in self._subscriptions.conversations.values():
            watched.due = True

    async def push(self) -> None:
        if self._monotonic() - self._compared_at >= self._limits.reconcile:
            self.compare()
        due = {
            name: watched
            for name, watched in self._subscriptions.conversations.items()
            if watched.due
        }
        for watched in due.values():
            watched.due = False
        if due:
            await self._push(list(due))

    async def _push(self, names: list[str]) -> None:
        try:
            found = await asyncio.to_thread(self._read, names)
        except StorageUnavailable as error:
            log.debug("stamps of conversations are read again when Valkey is back: %s", error)
            return
        outbox = Outbox()
        for name, stamp in found.items():
            watched = self._subscriptions.conversations.get(name)
            if watched is None or watched.stamp == stamp:
                continue
            watched.stamp = stamp
            for subscription in watched.subscriptions:
                for session_id in subscription.key.ids:
                    part = {"id": f'"{session_id}"', "conversation": json.dumps(stamp)}
                    outbox.of(subscription).session |= part
        outbox.flush()

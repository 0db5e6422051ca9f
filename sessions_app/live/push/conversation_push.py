"""Conversations on open pages: a change in Valkey becomes one look at a stamp, however many show it.

A page that shows another stamp reads the conversation again. No session's version is needed, PostgreSQL is not asked,
and what was published while nobody heard is found by comparing the stamps now and then.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence

from agent_sessions import StorageUnavailable

from ..limits import Limits
from ..state.subscriptions import SubscriptionRegistry
from .outbox import Outbox

log = logging.getLogger(__name__)

Stamps = Callable[[Sequence[str]], dict[str, str]]


class ConversationPush:
    """`read` is called in a thread: Valkey may let it wait."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
        read: Stamps,
        *,
        monotonic: Callable[[], float],
        limits: Limits,
    ) -> None:
        self._subscriptions, self._read = registry, read
        self._monotonic, self._limits = monotonic, limits
        self._compared_at = monotonic()

    def heard(self, payload: str) -> None:
        """Anyone may publish: what is said is not believed, only looked up."""
        try:
            talk = self._subscriptions.talks.get(json.loads(payload)["id"])
        except (ValueError, TypeError, KeyError, RecursionError):
            log.warning(
                "a message on the channel of conversations that is none of ours was dropped"
            )
            return
        if talk is not None:
            talk.due = True

    def compare(self) -> None:
        """Something may have been missed: with the next `tell`, all are looked up."""
        self._compared_at = self._monotonic()
        for talk in self._subscriptions.talks.values():
            talk.due = True

    async def tell(self) -> None:
        if self._monotonic() - self._compared_at >= self._limits.reconcile:
            self.compare()
        due = {name: talk for name, talk in self._subscriptions.talks.items() if talk.due}
        for talk in due.values():
            talk.due = False
        if due:
            await self._tell(list(due))

    async def _tell(self, names: list[str]) -> None:
        try:
            found = await asyncio.to_thread(self._read, names)
        except StorageUnavailable as error:
            log.debug("conversations are looked up again when Valkey is back: %s", error)
            return
        news = Outbox()
        for name, stamp in found.items():
            talk = self._subscriptions.talks.get(name)
            if talk is None or talk.stamp == stamp:
                continue
            talk.stamp = stamp
            for subscription in talk.subscriptions:
                for session_id in subscription.key.ids:
                    part = {"id": f'"{session_id}"', "conversation": json.dumps(stamp)}
                    news.of(subscription).session |= part
        news.flush()

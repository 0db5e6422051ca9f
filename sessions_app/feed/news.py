"""What one tick has for each group of pages, handed out when it is complete."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from .parts import Parts

if TYPE_CHECKING:
    from .audience import Subscription


class News:
    def __init__(self) -> None:
        self._parts: dict[Subscription, Parts] = {}

    def of(self, subscription: "Subscription") -> Parts:
        if subscription not in self._parts:
            self._parts[subscription] = Parts()
        return self._parts[subscription]

    def hand_out(self) -> None:
        """No socket waits for another: an offer only fills a slot."""
        _offer(self._parts.items())

    async def hand_out_changes_first(self, told: Callable[[], Awaitable[None]]) -> None:
        """The others when those are on their way: a thousand offers take longer than a few pages' change."""
        changes = [(s, parts) for s, parts in self._parts.items() if parts.is_change]
        _offer(changes)
        if changes and len(changes) < len(self._parts):
            await told()
            await asyncio.sleep(0)  # the server's turn
        _offer((s, parts) for s, parts in self._parts.items() if not parts.is_change)


def _offer(news: Iterable[tuple["Subscription", Parts]]) -> None:
    for subscription, parts in news:
        for socket in subscription.sockets:
            socket.offer(parts)
            socket.wake()

"""What one tick has for each group of pages, handed out when it is complete."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from ..sockets.connection import Connection
from ..sockets.frames import Update
from ..state.subscriptions import Subscription


class Outbox:
    def __init__(self) -> None:
        self._parts: dict[Subscription, Update] = {}

    def of(self, subscription: Subscription) -> Update:
        if subscription not in self._parts:
            self._parts[subscription] = Update()
        return self._parts[subscription]

    def flush(self) -> None:
        """No socket waits for another: an offer only fills a slot."""
        _offer(self._offers())

    async def flush_changes_first(self, told: Callable[[], Awaitable[None]]) -> None:
        """The others when those are on their way: a thousand offers take longer than a few pages' change."""
        changes = self._offers(are_changes=True)
        _offer(_from_any_on(changes))
        if changes and not all(parts.is_change for parts in self._parts.values()):
            await told()
            await asyncio.sleep(0)  # the server's turn
        _offer(self._offers(are_changes=False))

    def _offers(self, *, are_changes: bool | None = None) -> list[tuple[Connection, Update]]:
        return [
            (socket, parts)
            for subscription, parts in self._parts.items()
            if are_changes in (None, parts.is_change)
            for socket in subscription.sockets
        ]


def _from_any_on(changes: list[tuple[Connection, Update]]) -> list[tuple[Connection, Update]]:
    """Nobody is always the last. Beats keep their order, in which everybody's come at equal intervals."""
    first = random.randrange(len(changes)) if changes else 0  # noqa: S311 - nothing secret
    return changes[first:] + changes[:first]


def _offer(news: list[tuple[Connection, Update]]) -> None:
    for socket, parts in news:
        socket.enqueue(parts)
        socket.schedule()

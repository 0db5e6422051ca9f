"""Updates of one tick for each subscription, handed to the connections when it is complete."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from ..sockets.connection import SocketConnection
from ..sockets.frames import Update
from ..state.subscriptions import Subscription


class Outbox:
    def __init__(self) -> None:
        self._updates: dict[Subscription, Update] = {}

    def of(self, subscription: Subscription) -> Update:
        if subscription not in self._updates:
            self._updates[subscription] = Update()
        return self._updates[subscription]

    def flush(self) -> None:
        """Never blocks: each update only fills a slot."""
        for connection, update in self._offers(*self._updates):
            connection.push(update)

    async def flush_changes_first(self, changes_sent: Callable[[], Awaitable[None]]) -> None:
        """Hands over changes, and the rest when they are sent: filling 1,000 slots takes longer than a few frames.

        Changes start at a varying page, so that none is always the last. The rest keeps its order,
        so that each page gets its heartbeats at equal intervals.
        """
        changes = [each for each, update in self._updates.items() if update.is_change]
        offers = self._offers(*changes)
        first = random.randrange(len(offers)) if offers else 0  # noqa: S311 - nothing secret
        for connection, update in offers[first:] + offers[:first]:
            connection.push(update)
        rest = self._updates.keys() - set(changes)
        if not rest:
            return
        if offers:
            await changes_sent()
            await asyncio.sleep(0)  # lets the server send
        for connection, update in self._offers(*(each for each in self._updates if each in rest)):
            connection.push(update)

    def _offers(self, *subscriptions: Subscription) -> list[tuple[SocketConnection, Update]]:
        return [
            (connection, self._updates[subscription])
            for subscription in subscriptions
            for connection in subscription.sockets
        ]

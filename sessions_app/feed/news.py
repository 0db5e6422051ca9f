"""What one tick has for each group of pages, handed out when it is complete."""

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
        for subscription, parts in self._parts.items():
            for socket in subscription.sockets:
                socket.offer(parts)
                socket.wake()

"""Counts beside the list: read at most once a second, sent to a page only if they differ."""

import json
from collections.abc import Callable

from sessions_app.selectors.facet_counts import counts

from ..limits import FeedLimits
from ..state.database_thread import DatabaseThread
from ..state.subscriptions import SubscriptionRegistry
from .outbox import Outbox


class FacetPush:
    """`wanted`: something has changed, or a page has come, since the last reading."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
        reader: DatabaseThread,
        *,
        monotonic: Callable[[], float],
        limits: FeedLimits,
    ) -> None:
        self._subscriptions, self._reader = registry, reader
        self._monotonic, self._limits = monotonic, limits
        self._read_at: float | None = None
        self.wanted = False

    def is_due(self) -> bool:
        """Counts also change by time alone, because sessions become late."""
        if self._read_at is None:
            return True
        age = self._monotonic() - self._read_at
        return age >= (self._limits.counts if self.wanted else self._limits.keepalive)

    async def push_when_due(self) -> None:
        """Raises DatabaseUnavailable."""
        lists = self._subscriptions.lists()
        if not lists or not self.is_due():
            return
        self.wanted, self._read_at = False, self._monotonic()
        found = await self._reader.read(counts)
        texts: dict[int, str] = {}
        outbox = Outbox()
        for subscription in lists:
            wanted = subscription.filter
            if id(wanted) not in texts:
                frame = found.facets(wanted).as_frame()
                texts[id(wanted)] = json.dumps(frame, separators=(",", ":"))
            text = texts[id(wanted)]
            if text != subscription.counts_sent:
                subscription.counts_sent = outbox.of(subscription).counts = text
        outbox.flush()

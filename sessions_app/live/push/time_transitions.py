"""Sessions that enter or leave lists without a change: by silence, a new heartbeat, or age.

No notification comes for them. For each filter that depends on time, two queries every few seconds find the shown rows
that belong to it now, and the sessions that time alone brought into it, for all its pages.
"""

import logging
from collections.abc import Callable

from ..limits import FeedLimits
from ..state.database_thread import DatabaseThread, DatabaseUnavailable
from ..state.queries import brought_by_time, members
from ..state.subscriptions import Subscription, SubscriptionRegistry
from .arrivals import by_verdict, push, update
from .outbox import Outbox

log = logging.getLogger(__name__)


class TimeTransitions:
    """While no heartbeats arrive, no session is reported as silent."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
        reader: DatabaseThread,
        *,
        beats_are_live: Callable[[], bool],
        limits: FeedLimits,
    ) -> None:
        self._subscriptions, self._reader = registry, reader
        self._beats_are_live, self._limits = beats_are_live, limits

    async def push(self) -> None:
        lists = [s for s in self._subscriptions.lists() if s.filter.depends_on_time]
        for wanted in {s.filter for s in lists} if self._beats_are_live() else ():
            try:
                await self._push([s for s in lists if s.filter == wanted])
            except DatabaseUnavailable as error:
                log.debug("time transitions are put off, the database is away: %s", error)
                return

    async def _push(self, lists: list[Subscription]) -> None:
        """Checks rows that a page shows, and those that it counts as new."""
        wanted, most = lists[0].filter, self._limits.newcomers
        asked = {i for s in lists for i in (*s.key.ids, *s.newcomers)}
        inside = await self._reader.read(members, wanted.without_deep(), asked) if asked else set()
        since = min((socket.since for s in lists for socket in s.sockets), default=None)
        if since is None:
            return
        shown = set[str].intersection(*(set(s.key.ids) for s in lists))
        came = await self._reader.read(brought_by_time, wanted, since, shown, most)
        self._push_members(lists, inside)
        belong = dict.fromkeys(asked - inside, False) | dict.fromkeys(came, True)
        arrivals = dict.fromkeys(asked - inside, 0.0) | came
        push(update(lists, arrivals, by_verdict(belong), most))

    def _push_members(self, lists: list[Subscription], inside: set[str]) -> None:
        outbox = Outbox()
        for subscription in lists:
            for session_id in subscription.key.ids:
                belongs = session_id in inside
                if subscription.note_membership(session_id, belongs):
                    outbox.of(subscription).members[session_id] = belongs
        outbox.flush()

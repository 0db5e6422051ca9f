"""What enters and leaves a list without any change: by falling silent, by beating again, by growing old.

No version tells of it. For each filter that depends on time, one look at the database every few seconds finds which rows
that are shown belong to it now, and whom time alone brought in; however many pages show it.
"""

import logging
from collections.abc import Callable

from ..limits import Limits
from ..state.database_thread import DatabaseThread, DatabaseUnavailable
from ..state.queries import brought_by_time, members
from ..state.subscriptions import Subscription, SubscriptionRegistry
from . import arrivals as newcomers
from .outbox import Outbox

log = logging.getLogger(__name__)


class TimeTransitions:
    """While no heartbeats are heard, nobody is said to have fallen silent."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
        reader: DatabaseThread,
        *,
        hears: Callable[[], bool],
        limits: Limits,
    ) -> None:
        self._audience, self._reader = registry, reader
        self._hears, self._limits = hears, limits

    async def tell(self) -> None:
        lists = [s for s in self._audience.lists() if s.filter.depends_on_time]
        for wanted in {s.filter for s in lists} if self._hears() else ():
            try:
                await self._look([s for s in lists if s.filter == wanted])
            except DatabaseUnavailable as error:
                log.debug("what time did waits for the database: %s", error)
                return

    async def _look(self, lists: list[Subscription]) -> None:
        """Rows that stay on a page, and those that are waiting to come on it, are judged like newcomers."""
        wanted, most = lists[0].filter, self._limits.newcomers
        asked = {i for s in lists for i in (*s.key.ids, *s.newcomers)}
        inside = await self._reader.read(members, wanted.without_deep(), asked) if asked else set()
        since = min((socket.since for s in lists for socket in s.sockets), default=None)
        if since is None:
            return
        shown = set[str].intersection(*(set(s.key.ids) for s in lists))
        came = await self._reader.read(brought_by_time, wanted, since, shown, most)
        self._tell_members(lists, inside)
        belong = dict.fromkeys(asked - inside, False) | dict.fromkeys(came, True)
        arrivals = dict.fromkeys(asked - inside, 0.0) | came
        newcomers.tell(newcomers.update(lists, arrivals, newcomers.by_verdict(belong), most))

    def _tell_members(self, lists: list[Subscription], inside: set[str]) -> None:
        news = Outbox()
        for subscription in lists:
            for session_id in subscription.key.ids:
                belongs = session_id in inside
                if subscription.note_membership(session_id, belongs):
                    news.of(subscription).members[session_id] = belongs
        news.flush()

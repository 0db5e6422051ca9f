"""After a restore or a fail-over, versions on pages say nothing about the database's: the pages reload."""

import logging
from collections.abc import Callable

from .sockets import close_codes
from .sockets.connection import SocketConnection
from .state.database_thread import DatabaseThread
from .state.queries import current_timeline
from .state.subscriptions import SubscriptionRegistry

log = logging.getLogger(__name__)


class TimelineWatch:
    """The database's last known timeline. Versions are compared within one timeline only."""

    def __init__(
        self, registry: SubscriptionRegistry, *, close: Callable[[SocketConnection, int, str], None]
    ) -> None:
        self._subscriptions, self._close = registry, close
        self._known: str | None = None

    async def read(self, reader: DatabaseThread) -> str:
        """On a new timeline every page's socket is closed: it reconnects, gets the new timeline, and reloads.

        Raises DatabaseUnavailable.
        """
        found = await reader.read(current_timeline)
        before, self._known = self._known, found
        if before not in (None, found):
            log.warning("the database was restored or failed over: all pages load anew")
            for socket in list(self._subscriptions.sockets):
                self._close(socket, close_codes.RESTORED, close_codes.REASONS[close_codes.RESTORED])
        return found

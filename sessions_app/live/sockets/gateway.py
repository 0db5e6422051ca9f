"""Opens and closes pages, and handles their messages."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sessions_app.permissions import Access
from sessions_app.selectors.filters import ListFilter

from .. import metrics
from ..limits import FeedLimits
from ..push.facet_push import FacetPush
from ..push.resync import Resync
from ..state.database_thread import DatabaseThread, DatabaseUnavailable
from ..state.queries import hidden_ids
from ..state.subscriptions import SubscriptionKey, SubscriptionRegistry
from . import auth, close_codes, protocol
from .auth import Viewer
from .connection import Send, SocketConnection
from .send_scheduler import SendScheduler

log = logging.getLogger(__name__)


class Gateway:
    """`keep` holds references to tasks; `wake` requests a tick."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
        auth_reader: DatabaseThread,
        *,
        resync: Resync,
        facets: FacetPush,
        scheduler: SendScheduler,
        keep: Callable[[asyncio.Task[None]], None],
        wake: Callable[[], None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        limits: FeedLimits,
    ) -> None:
        self._subscriptions, self._auth_reader = registry, auth_reader
        self._resync, self._facets = resync, facets
        self._scheduler, self._keep, self._wake = scheduler, keep, wake
        self._clock, self._monotonic, self._limits = clock, monotonic, limits

    def join(self, send: Send) -> SocketConnection:
        socket = SocketConnection(
            send, scheduler=self._scheduler, monotonic=self._monotonic, limits=self._limits
        )
        self._subscriptions.sockets[socket] = None
        metrics.SOCKETS.set(len(self._subscriptions.sockets))
        return socket

    def leave(self, socket: SocketConnection) -> None:
        socket.release()
        self._forget(socket)

    def admit(self, socket: SocketConnection, scope: dict[str, Any]) -> None:
        """Starts reading the socket's user; nothing is sent until that is known."""
        self._keep(asyncio.create_task(self._identify(socket, scope)))

    async def _identify(self, socket: SocketConnection, scope: dict[str, Any]) -> None:
        try:
            viewer = await self._auth_reader.read(auth.identify, scope)
        except DatabaseUnavailable as error:
            log.warning("a page could not be let in, its log-in cannot be read: %s", error)
            viewer = close_codes.TRY_AGAIN_LATER
        if isinstance(viewer, Viewer):
            self.welcome(socket, viewer)
        else:
            self.close(socket, viewer, close_codes.REASONS[viewer])

    def welcome(self, socket: SocketConnection, viewer: Viewer) -> None:
        """Activates the socket, and handles a hello that came before."""
        socket.viewer = viewer
        hello, socket.queued_hello = socket.queued_hello, None
        if hello is not None and socket.closed is None:
            self._on_hello(socket, hello)

    def on_message(self, socket: SocketConnection, message: dict[str, Any]) -> None:
        """Handles one message of a browser. Never raises."""
        if socket.closed is not None:
            return
        text = message.get("text")
        if not socket.may_speak():
            self.close(socket, close_codes.FLOOD, "too many messages")
        elif not isinstance(text, str):
            self.close(socket, close_codes.MALFORMED, "only text is understood")
        elif len(text) > self._limits.message_bytes:
            self.close(socket, close_codes.TOO_LARGE, "message too large")
        else:
            self._understand(socket, text)

    def _understand(self, socket: SocketConnection, text: str) -> None:
        try:
            match protocol.parse(text, self._limits):
                case protocol.Hello() as hello:
                    self._on_hello(socket, hello)
                case protocol.Ack(n):
                    if not socket.acknowledge(n):
                        raise protocol.Malformed("acknowledges what was never sent")
                case protocol.Ping():
                    socket.keepalive_due = self._subscriptions.sockets.get(socket) is not None
                    socket.schedule()
        except protocol.Malformed as error:
            self.close(socket, close_codes.MALFORMED, str(error))

    def _on_hello(self, socket: SocketConnection, hello: protocol.Hello) -> None:
        if socket.viewer is None:
            socket.queued_hello = hello
        elif hello.access and hello.access != socket.viewer.access.digest:
            code = close_codes.RIGHTS_CHANGED  # while the page had no socket
            self.close(socket, code, close_codes.REASONS[code])
        elif socket.viewer.access.types is None:
            self._subscribe(socket, socket.viewer, hello)
        else:
            socket.queued_hello = hello
            self._keep(asyncio.create_task(self._subscribe_limited(socket, socket.viewer, hello)))

    async def _subscribe_limited(
        self, socket: SocketConnection, viewer: Viewer, hello: protocol.Hello
    ) -> None:
        """A page may name any session: those that its reader does not see are left out."""
        try:
            hidden = await self._auth_reader.read(hidden_ids, hello.rows, viewer.access)
        except DatabaseUnavailable as error:
            log.warning("a page could not subscribe, its sessions cannot be read: %s", error)
            code = close_codes.TRY_AGAIN_LATER
            self.close(socket, code, close_codes.REASONS[code])
            return
        if socket.closed is None and socket.queued_hello is hello:  # else it shows others by now
            socket.queued_hello = None
            rows = {id: version for id, version in hello.rows.items() if id not in hidden}
            self._subscribe(socket, viewer, replace(hello, rows=rows))

    def _subscribe(self, socket: SocketConnection, viewer: Viewer, hello: protocol.Hello) -> None:
        """Subscribes first; the tick then reads what is newer, so that no change is missed in between."""
        try:
            wanted = _filter(hello.query, viewer.access)
        except protocol.Malformed as error:
            self.close(socket, close_codes.MALFORMED, str(error))
            return
        language, ids = auth.supported(hello.language) or viewer.language, frozenset(hello.rows)
        conversation = hello.conversation if _may_follow(viewer.access, hello) else ""
        key = SubscriptionKey(hello.page, hello.query, language, ids, viewer.access, conversation)
        self._subscriptions.subscribe(socket, key, wanted)
        now = self._clock()
        socket.since = now if hello.since is None else min(hello.since / 1000, now)
        self._resync.waiting[socket] = hello
        self._facets.wanted = True
        self._wake()

    def close(self, socket: SocketConnection, code: int, reason: str) -> None:
        task = socket.close(code, reason)
        if task is not None:
            self._keep(task)
        self._forget(socket)

    def _forget(self, socket: SocketConnection) -> None:
        self._subscriptions.remove(socket)
        self._resync.waiting.pop(socket, None)
        metrics.SOCKETS.set(len(self._subscriptions.sockets))


def _may_follow(access: Access, hello: protocol.Hello) -> bool:
    """A limited reader follows only the own conversation of a session that is visible."""
    return access.sees_conversations or (access.sees_content and hello.conversation in hello.rows)


@lru_cache(maxsize=1024)
def _filter(query: str, access: Access) -> ListFilter:
    """Raises Malformed. Equal queries share one filter, so that its results are shared, too."""
    try:
        return ListFilter.from_query(query, access)
    except Exception as error:
        raise protocol.Malformed("the query cannot be read") from error

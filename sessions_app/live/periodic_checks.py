"""Periodic checks: closing idle connections, comparing pages with the database, rereading permissions."""

import logging
from collections.abc import Callable, Mapping

from . import metrics
from .database_restores import TimelineWatch
from .limits import FeedLimits
from .push.resync import CHUNK
from .sockets import close_codes
from .sockets.auth import withdrawn
from .sockets.connection import SocketConnection
from .state.change_buffer import Batch, ChangeBuffer
from .state.database_thread import DatabaseThread, DatabaseUnavailable
from .state.queries import Versions, versions
from .state.subscriptions import SubscriptionRegistry

log = logging.getLogger(__name__)

Close = Callable[[SocketConnection, int, str], None]


class IdleTimeouts:
    """Closes pages that stop acknowledging or never say hello; sends a keepalive to idle ones."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
        *,
        close: Close,
        monotonic: Callable[[], float],
        limits: FeedLimits,
    ) -> None:
        self._subscriptions, self._close = registry, close
        self._monotonic, self._limits = monotonic, limits

    def check(self, *, stood_still: bool) -> None:
        now = self._monotonic()
        for socket, subscription in list(self._subscriptions.sockets.items()):
            if stood_still and socket.waiting_since is not None:
                socket.waiting_since = now
            self._check(socket, now, has_said_hello=subscription is not None)

    def _check(self, socket: SocketConnection, now: float, *, has_said_hello: bool) -> None:
        if not has_said_hello:
            if now - socket.opened_at > self._limits.hello:
                self._close(socket, close_codes.MALFORMED, "no hello")
        elif socket.waiting_since is not None and (
            now - socket.waiting_since > self._limits.acknowledgement
        ):
            self._close(socket, close_codes.NO_ACKNOWLEDGEMENT, "no acknowledgement")
        elif now - socket.last_frame_at >= self._limits.keepalive:
            socket.keepalive_due = True
            socket.schedule()


class Reconciliation:
    """Compares pages with the database; pushes and counts changes whose notification was lost."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
        buffer: ChangeBuffer,
        reader: DatabaseThread,
        timeline: TimelineWatch,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._subscriptions, self._buffer, self._reader = registry, buffer, reader
        self._clock, self._monotonic, self._timeline = clock, monotonic, timeline
        self._suspects: dict[str, int] = {}

    def on_changes(self, changes: Mapping[str, int]) -> None:
        """A notification after the comparison was late, not lost: it does not count."""
        for session_id in self._suspects.keys() & changes.keys():
            if changes[session_id] >= self._suspects[session_id]:
                del self._suspects[session_id]

    async def compare(self) -> None:
        """Raises DatabaseUnavailable."""
        metrics.HEALS.inc(len(self._suspects))
        self._suspects.clear()
        await self._timeline.read(self._reader)
        found = Batch()
        at = self._clock()
        await compare(self._subscriptions, self._reader, found, at)
        self._suspects.update(found.changes)
        self._buffer.received.changed(found.changes.items(), at=at, now=self._monotonic())
        for session_id, ms in found.beats.items():
            self._buffer.received.beat(session_id, ms)


async def compare(
    registry: SubscriptionRegistry, reader: DatabaseThread, batch: Batch, at: float
) -> None:
    """Adds to the batch what is newer in the database than on pages."""
    for ids in list(registry.chunks(CHUNK)):
        found: Versions = await reader.read(versions, ids)
        for session_id, shown in registry.watched(ids).items():
            if session_id not in found:
                if shown.version:
                    batch.changed([(session_id, shown.version + 1)], at=at)
                continue
            version, beat = found[session_id]
            if version > shown.version:
                batch.changed([(session_id, version)], at=at)
            if beat > shown.beat:
                batch.beat(session_id, beat)


async def recheck_permissions(
    registry: SubscriptionRegistry, reader: DatabaseThread, close: Close
) -> None:
    """Closes pages whose user is logged out or lost the permission."""
    viewers = {socket.viewer for socket in registry.sockets if socket.viewer is not None}
    gone = await reader.read(withdrawn, viewers) if viewers else {}
    for socket in list(registry.sockets):
        if socket.viewer is not None and (code := gone.get(socket.viewer)):
            close(socket, code, close_codes.REASONS[code])


class PeriodicChecks:
    """Runs due checks. While the database is unavailable they stay due."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
        reconciliation: Reconciliation,
        reader: DatabaseThread,
        *,
        close: Close,
        beats_are_live: Callable[[], bool],
        monotonic: Callable[[], float],
        limits: FeedLimits,
    ) -> None:
        self._subscriptions, self._reconciliation, self._reader = registry, reconciliation, reader
        self._close, self._beats_are_live = close, beats_are_live
        self._monotonic, self._limits = monotonic, limits
        self._compared_at = self._rechecked_at = monotonic()

    async def check(self) -> None:
        now, limits = self._monotonic(), self._limits
        pause = limits.reconcile if self._beats_are_live() else limits.reconcile_without_beats
        try:
            if now - self._compared_at >= pause:
                await self._reconciliation.compare()
                self._compared_at = now
            if now - self._rechecked_at >= limits.rights:
                await recheck_permissions(self._subscriptions, self._reader, self._close)
                self._rechecked_at = now
        except DatabaseUnavailable as error:
            log.debug("the check is put off, the database is away: %s", error)

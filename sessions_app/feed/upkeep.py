"""What the hub does by the clock: looks after sockets, compares with the database, asks for rights again."""

import logging
from collections.abc import Callable, Mapping

from . import codes, metrics
from .audience import Audience
from .blindness import Blindness
from .catchup import CHUNK
from .limits import Limits
from .pending import Pending, Work
from .reader import DatabaseAway, Reader, Versions, versions
from .restores import Timeline
from .rights import withdrawn
from .socket import Socket

log = logging.getLogger(__name__)

Close = Callable[[Socket, int, str], None]


class SocketCare:
    """No page may hold anything for long without reading it."""

    def __init__(
        self, audience: Audience, *, close: Close, monotonic: Callable[[], float], limits: Limits
    ) -> None:
        self._audience, self._close = audience, close
        self._monotonic, self._limits = monotonic, limits

    def look(self, *, stood_still: bool) -> None:
        now = self._monotonic()
        for socket in list(self._audience.sockets):
            if stood_still and socket.waiting_since is not None:
                socket.waiting_since = now
            self._look_at(socket, now)

    def _look_at(self, socket: Socket, now: float) -> None:
        if socket.subscription is None:
            if now - socket.opened_at > self._limits.hello:
                self._close(socket, codes.MALFORMED, "no hello")
        elif socket.waiting_since is not None and (
            now - socket.waiting_since > self._limits.acknowledgement
        ):
            self._close(socket, codes.NO_ACKNOWLEDGEMENT, "no acknowledgement")
        elif now - socket.last_frame_at >= self._limits.keepalive:
            socket.due = True
            socket.wake()


class Reconciliation:
    """A notification that was lost heals here, and is counted: silence is checked, not trusted."""

    def __init__(
        self,
        audience: Audience,
        pending: Pending,
        reader: Reader,
        timeline: Timeline,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._audience, self._pending, self._reader = audience, pending, reader
        self._clock, self._monotonic, self._timeline = clock, monotonic, timeline
        self._suspects: dict[str, int] = {}

    def heard(self, changes: Mapping[str, int]) -> None:
        """A notification that was only under way is no heal."""
        for session_id in self._suspects.keys() & changes.keys():
            if changes[session_id] >= self._suspects[session_id]:
                del self._suspects[session_id]

    async def compare(self) -> None:
        """Raises DatabaseAway."""
        metrics.HEALS.inc(len(self._suspects))
        self._suspects.clear()
        await self._timeline.read(self._reader)
        found = Work()
        at = self._clock()
        await compare(self._audience, self._reader, found, at)
        self._suspects.update(found.changes)
        self._pending.changed(found.changes.items(), at=at, now=self._monotonic())
        for session_id, ms in found.beats.items():
            self._pending.beat(session_id, ms)


async def compare(audience: Audience, reader: Reader, work: Work, at: float) -> None:
    """Adds to the work whatever is on a screen and older than in the database."""
    for ids in list(audience.chunks(CHUNK)):
        found: Versions = await reader.read(versions, ids)
        for session_id, shown in audience.those(ids).items():
            if session_id not in found:
                if shown.version:
                    work.changed([(session_id, shown.version + 1)], at)
                continue
            version, beat = found[session_id]
            if version > shown.version:
                work.changed([(session_id, version)], at)
            if beat > shown.beat:
                work.beat(session_id, beat)


async def recheck(audience: Audience, reader: Reader, close: Close) -> None:
    """Rights can be withdrawn while a socket is open."""
    viewers = {socket.viewer for socket in audience.sockets if socket.viewer is not None}
    gone = await reader.read(withdrawn, viewers) if viewers else {}
    for socket in list(audience.sockets):
        if socket.viewer is not None and (code := gone.get(socket.viewer)):
            close(socket, code, codes.REASONS[code])


class Timetable:
    """Runs the checks when they are due; while the database is away they are simply due again."""

    def __init__(
        self,
        audience: Audience,
        reconciliation: Reconciliation,
        reader: Reader,
        *,
        close: Close,
        blindness: Blindness,
        monotonic: Callable[[], float],
        limits: Limits,
    ) -> None:
        self._audience, self._reconciliation, self._reader = audience, reconciliation, reader
        self._close, self._blindness = close, blindness
        self._monotonic, self._limits = monotonic, limits
        self._compared_at = self._rechecked_at = monotonic()

    async def check(self, *, beats_are_live: bool) -> None:
        now, limits = self._monotonic(), self._limits
        pause = limits.reconcile if beats_are_live else limits.reconcile_without_beats
        try:
            if now - self._compared_at >= pause:
                await self._reconciliation.compare()
                self._compared_at = now
            if now - self._rechecked_at >= limits.rights:
                await recheck(self._audience, self._reader, self._close)
                self._rechecked_at = now
        except DatabaseAway as error:
            log.debug("the check waits for the database: %s", error)

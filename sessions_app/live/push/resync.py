"""Answers a hello: the page is subscribed already and now gets what it has missed."""

from collections.abc import Callable, Iterable

from sessions_app.selectors.filters import ListFilter
from sessions_app.selectors.rows import rows_by_id

from ..database_restores import TimelineWatch
from ..limits import FeedLimits
from ..sockets.connection import SocketConnection
from ..sockets.frames import Update, gone_fragment
from ..sockets.protocol import Hello
from ..sources.valkey import ValkeySource
from ..state.change_buffer import Batch
from ..state.database_thread import (
    DatabaseThread,
)
from ..state.queries import Versions, arrived_since, members, versions
from ..state.rendered_rows import RowSnapshot, render_rows
from ..state.subscriptions import Subscription, SubscriptionRegistry
from .arrivals import by_row, update
from .broadcast import row_text, session_part

CHUNK = 2000
LONGEST_LOOK_BACK = 3600.0

Hellos = dict[SocketConnection, Hello]


class Resync:
    """The same for a first visit, a reload and a reconnect."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
        reader: DatabaseThread,
        beats: ValkeySource,
        timeline: TimelineWatch,
        *,
        clock: Callable[[], float],
        limits: FeedLimits,
    ) -> None:
        self._subscriptions, self._reader, self._beats = registry, reader, beats
        self._clock, self._limits, self._timeline = clock, limits, timeline
        self.waiting: Hellos = {}

    async def answer(self, batch: Batch) -> None:
        """Answers all waiting pages together, with the same few queries. Raises DatabaseUnavailable."""
        hellos = dict(self.waiting)
        timeline = await self._timeline.read(self._reader)
        ids = {session_id for hello in hellos.values() for session_id in hello.rows}
        found = await self.read_versions(ids)
        beats = await self._beats.newest(list(found))
        read = await self._reader.read(render_rows, self._newer(hellos, found))
        self._add_for_others(found, batch)
        for socket, hello in hellos.items():
            if self.waiting.get(socket) is hello:
                del self.waiting[socket]
                socket.hello_seq, socket.timeline = hello.seq, timeline
                socket.reload = _is_of_another_timeline(hello, found)
                socket.enqueue(self._update_for(socket, hello, found, beats, read))
        await self._count_newcomers(hellos)
        for socket in hellos:
            socket.schedule()

    async def read_versions(self, ids: Iterable[str]) -> Versions:
        wanted, found = list(ids), Versions()
        for start in range(0, len(wanted), CHUNK):
            found |= await self._reader.read(versions, wanted[start : start + CHUNK])
        return found

    def _newer(self, hellos: Hellos, found: Versions) -> dict[str, dict[str, None]]:
        newer: dict[str, dict[str, None]] = {}
        for socket, hello in hellos.items():
            subscription = self._subscriptions.sockets.get(socket)
            if hello.page == "list" and subscription is not None:
                for session_id, version in hello.rows.items():
                    if session_id in found and found[session_id][0] > version:
                        newer.setdefault(session_id, {})[subscription.key.language] = None
        return newer

    def _add_for_others(self, found: Versions, batch: Batch) -> None:
        """A change found here that was not pushed is missing on other pages, too."""
        for session_id, shown in self._subscriptions.watched(found).items():
            version, beat = found[session_id]
            if 0 < shown.version < version:
                batch.changed([(session_id, version)], at=self._clock())
            shown.version = shown.version or version
            batch.beat(session_id, beat)

    def _update_for(
        self,
        socket: SocketConnection,
        hello: Hello,
        found: Versions,
        beats: dict[str, int],
        read: RowSnapshot,
    ) -> Update:
        parts, subscription = Update(), self._subscriptions.sockets.get(socket)
        latest = int(self._clock() * 1000)
        for session_id, version in hello.rows.items():
            if session_id not in found:
                self._add_gone(parts, hello, session_id, version)
                continue
            beat = min(max(beats.get(session_id, 0), found[session_id][1]), latest)
            if hello.page == "session":
                parts.session = session_part(session_id, version=found[session_id][0], beat=beat)
                continue
            parts.beats[session_id] = beat
            row = read.rows.get(session_id)
            if row is None and session_id in read.missing:
                self._add_gone(parts, hello, session_id, version)
            elif row is not None and row.version > version and subscription is not None:
                parts.rows[session_id] = row_text(read, row, subscription) or ""
                version = row.version
            if (shown := self._subscriptions.shown.get(session_id)) is not None:
                shown.reset_if_older(version)
        if subscription is not None and subscription.is_list:
            parts.counts = subscription.counts_sent
            parts.members = dict.fromkeys(subscription.outside - parts.rows.keys(), False)
        return parts

    def _add_gone(self, parts: Update, hello: Hello, session_id: str, version: int) -> None:
        if hello.page == "list":
            parts.rows[session_id] = gone_fragment(session_id, version + 1)
        else:
            parts.session = {**session_part(session_id, version=version + 1), "gone": "true"}

    async def _count_newcomers(self, hellos: Hellos) -> None:
        """Includes sessions that arrived while the page was disconnected."""
        lists = [
            s for s, hello in hellos.items() if hello.page == "list" and hello.since is not None
        ]
        if not lists:
            return
        since = max(min(s.since for s in lists), self._clock() - LONGEST_LOOK_BACK)
        arrivals = await self._reader.read(arrived_since, since, self._limits.newcomers)
        rows = await self._reader.read(rows_by_id, arrivals)
        shown = {s: found for s in lists if (found := self._subscriptions.sockets.get(s))}
        subscriptions = set(shown.values())
        inside: dict[ListFilter, set[str]] = {}
        for wanted in {s.filter for s in subscriptions if s.filter.is_deep} if arrivals else ():
            inside[wanted] = await self._reader.read(members, wanted, arrivals.keys())
        judge = by_row(rows)

        def belongs(subscription: Subscription, session_id: str) -> bool:
            if (found := inside.get(subscription.filter)) is not None:
                return session_id in found
            return judge(subscription, session_id)

        update(subscriptions, arrivals, belongs, self._limits.newcomers)
        for socket in lists:
            if (subscription := self._subscriptions.sockets.get(socket)) is not None:
                socket.set_newcomers(subscription.newcomers_for(socket))


def _is_of_another_timeline(hello: Hello, found: Versions) -> bool:
    """Loaded before a restore: within a timeline no page can have a newer version than the database."""
    return any(i in found and found[i][0] < version for i, version in hello.rows.items())

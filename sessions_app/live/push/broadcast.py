"""From what was heard to what each page is told: one query for the rows, each drawn once per language."""

from collections.abc import Awaitable, Callable

from sessions_app.selectors.rows import Row

from ..limits import Limits
from ..sockets.frames import VersionBump, gone_fragment
from ..state.change_buffer import Batch, FirstSeen
from ..state.database_thread import (
    Arrivals,
    DatabaseThread,
    DatabaseUnavailable,
    Snapshot,
    drawn,
    find_arrivals,
)
from ..state.subscriptions import Subscription, SubscriptionRegistry, WatchedSession
from . import arrivals as newcomers
from .arrivals import Candidates, by_row, by_verdict, update
from .outbox import Outbox


class Broadcast:
    def __init__(
        self,
        registry: SubscriptionRegistry,
        reader: DatabaseThread,
        *,
        told: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        limits: Limits,
    ) -> None:
        self._subscriptions, self._reader, self._told = registry, reader, told
        self._clock, self._monotonic, self._limits = clock, monotonic, limits
        self._candidates = Candidates()
        self._candidates_at: float | None = None

    @property
    def has_newcomers_due(self) -> bool:
        waited = self._candidates_at is None or (
            self._monotonic() - self._candidates_at >= self._limits.counts
        )
        return bool(self._candidates) and waited

    async def broadcast(self, work: Batch) -> None:
        """Who shows a session is told first; then it is asked whose list a session now comes into.

        Raises DatabaseUnavailable, having told nothing of what could not be read.
        """
        self._candidates.note(work.first, self._subscriptions)
        on_lists = self._subscriptions.looks(work.changes)
        found = await self._reader.read(drawn, on_lists) if on_lists else Snapshot()
        news = Outbox()
        for session_id, shown in self._subscriptions.those(on_lists).items():
            self._tell_row(news, session_id, shown, found, work.changes[session_id])
        for session_id, shown in self._subscriptions.those(work.changes).items():
            self._tell_version(news, session_id, shown, work.changes[session_id])
        self.tell_beats(news, work)
        await news.flush_changes_first(self._told)
        if self.has_newcomers_due:
            await self._deliver_newcomers()

    async def _deliver_newcomers(self) -> None:
        heard = self._candidates.take(self._limits.candidates)
        self._candidates_at = self._monotonic()
        deep = {s.filter for s in self._subscriptions.lists() if s.filter.is_deep}
        try:
            found = await self._reader.read(find_arrivals, heard, deep)
        except DatabaseUnavailable:
            self._candidates.put_back(heard)
            raise
        self._tell_newcomers(found, heard)

    def _tell_row(
        self, news: Outbox, session_id: str, shown: WatchedSession, found: Snapshot, version: int
    ) -> None:
        row = found.rows.get(session_id)
        for subscription in shown.subscriptions:
            if not subscription.is_list:
                continue
            if row is None and session_id in found.missing:
                news.of(subscription).rows[session_id] = gone_fragment(session_id, version)
            elif row is not None:
                _tell_list(news, subscription, row, shown, found)
        shown.version = 0 if row is None else max(shown.version, row.version)
        shown.sent_version = 0 if row is None else row.version
        shown.sent_parts = {
            language: row.looks for language, row in found.drawn[session_id].items()
        }

    def _tell_version(
        self, news: Outbox, session_id: str, shown: WatchedSession, version: int
    ) -> None:
        for subscription in shown.subscriptions:
            if not subscription.is_list:
                news.of(subscription).session |= session_part(session_id, version=version)
                shown.version = max(shown.version, version)

    def tell_beats(self, news: Outbox, work: Batch) -> None:
        """A beat costs a number in a frame: no query, no drawing."""
        latest = int(self._clock() * 1000)
        for session_id, shown in self._subscriptions.those(work.beats).items():
            ms = min(work.beats[session_id], latest)
            if ms <= shown.beat:
                continue
            shown.beat = ms
            for subscription in shown.subscriptions:
                if subscription.is_list:
                    news.of(subscription).beats[session_id] = ms
                else:
                    news.of(subscription).session |= session_part(session_id, beat=ms)

    def _tell_newcomers(self, found: Arrivals, heard: dict[str, FirstSeen]) -> None:
        most, lists = self._limits.newcomers, self._subscriptions.lists()
        arrivals = {session_id: heard[session_id].at for session_id in found.ids}
        plain = [s for s in lists if not s.filter.is_deep]
        newcomers.tell(update(plain, arrivals, by_row(found.rows), most) if arrivals else ())
        for wanted, inside in found.inside.items():
            came = {session_id: heard[session_id].at for session_id in inside}
            these = [s for s in lists if s.filter == wanted]
            newcomers.tell(update(these, came, by_verdict(inside), most))


def _tell_list(
    news: Outbox, subscription: Subscription, row: Row, shown: WatchedSession, found: Snapshot
) -> None:
    """What looks as before is not sent again. A page that came while this was read is told nothing: its own answer is
    read after this."""
    session_id = str(row.id)
    language = subscription.key.language
    drawn = found.drawn[session_id].get(language)
    if drawn is None:
        return
    belongs = subscription.matches(row)
    has_moved = subscription.note_membership(session_id, belongs)
    looked = shown.sent_parts.get(language)
    if (
        looked is not None
        and looked == drawn.looks
        and not has_moved
        and row.version > shown.sent_version
    ):
        news.of(subscription).touched[session_id] = VersionBump.of(row, shown.sent_version)
    else:
        news.of(subscription).rows[session_id] = found.entry(row, language, belongs)


def row_text(found: Snapshot, row: Row, subscription: Subscription) -> str | None:
    """Its entry in a frame; None where it was not read in this language."""
    if subscription.key.language not in found.drawn[str(row.id)]:
        return None
    belongs = subscription.matches(row)
    subscription.note_membership(str(row.id), belongs)
    return found.entry(row, subscription.key.language, belongs)


def session_part(session_id: str, **numbers: int) -> dict[str, str]:
    return {"id": f'"{session_id}"', **{name: str(value) for name, value in numbers.items()}}

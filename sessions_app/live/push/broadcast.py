"""From received changes to updates for pages: one query for the rows, each rendered once per language."""

from collections.abc import Awaitable, Callable

from sessions_app.selectors.rows import Row

from ..limits import FeedLimits
from ..sockets.frames import VersionBump, gone_fragment
from ..state.change_buffer import Batch
from ..state.database_thread import DatabaseThread, DatabaseUnavailable
from ..state.queries import find_arrivals
from ..state.rendered_rows import RowSnapshot, render_rows
from ..state.subscriptions import Subscription, SubscriptionRegistry, WatchedSession
from .arrivals import ArrivalCandidates, announce
from .outbox import Outbox


class Broadcast:
    def __init__(
        self,
        registry: SubscriptionRegistry,
        reader: DatabaseThread,
        *,
        changes_sent: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        limits: FeedLimits,
    ) -> None:
        self._subscriptions, self._reader, self._changes_sent = registry, reader, changes_sent
        self._clock, self._monotonic, self._limits = clock, monotonic, limits
        self._candidates = ArrivalCandidates()
        self._candidates_at: float | None = None

    @property
    def has_newcomers_due(self) -> bool:
        if not self._candidates:
            return False
        at = self._candidates_at
        return at is None or self._monotonic() - at >= self._limits.counts

    async def broadcast(self, batch: Batch) -> None:
        """Sends changes to the pages that show a session, then looks for lists that it entered.

        Raises DatabaseUnavailable; then nothing that could not be read has been sent.
        """
        registry, outbox = self._subscriptions, Outbox()
        self._candidates.note(batch.first, registry)
        on_lists = registry.sent_parts(batch.changes)
        found = await self._reader.read(render_rows, on_lists) if on_lists else RowSnapshot()
        for session_id, shown in registry.watched(batch.changes).items():
            if session_id in on_lists:
                _push_row(outbox, session_id, shown, found, batch.changes[session_id])
            _push_version(outbox, session_id, shown, batch.changes[session_id])
        if batch.beats:
            self._push_beats(outbox, batch)
        await outbox.flush_changes_first(self._changes_sent)
        if self.has_newcomers_due:
            await self._push_newcomers()

    def _push_beats(self, outbox: Outbox, batch: Batch) -> None:
        """A heartbeat is one number in a frame, without a query or rendering."""
        latest = int(self._clock() * 1000)
        for session_id, shown in self._subscriptions.watched(batch.beats).items():
            ms = min(batch.beats[session_id], latest)
            if ms <= shown.beat:
                continue
            shown.beat = ms
            for subscription in shown.subscriptions:
                if subscription.is_list:
                    outbox.of(subscription).beats[session_id] = ms
                else:
                    outbox.of(subscription).session |= session_part(session_id, beat=ms)

    async def _push_newcomers(self) -> None:
        candidates = self._candidates.take(self._limits.candidates)
        self._candidates_at = self._monotonic()
        lists = self._subscriptions.lists()
        deep = {s.filter for s in lists if s.filter.is_deep}
        try:
            found = await self._reader.read(find_arrivals, candidates, deep)
        except DatabaseUnavailable:
            self._candidates.update(candidates)
            raise
        announce(self._subscriptions.lists(), found, candidates, self._limits.newcomers)


def _push_row(
    outbox: Outbox, session_id: str, shown: WatchedSession, found: RowSnapshot, version: int
) -> None:
    row = found.rows.get(session_id)
    for subscription in shown.subscriptions:
        if not subscription.is_list:
            continue
        if row is None and session_id in found.missing:
            outbox.of(subscription).rows[session_id] = gone_fragment(session_id, version)
        elif row is not None:
            _push_to_list(outbox, subscription, row, shown, found)
    shown.version = 0 if row is None else max(shown.version, row.version)
    shown.sent_version = 0 if row is None else row.version
    shown.sent_parts = {
        language: rendered.parts for language, rendered in found.rendered[session_id].items()
    }


def _push_to_list(
    outbox: Outbox, subscription: Subscription, row: Row, shown: WatchedSession, found: RowSnapshot
) -> None:
    """Parts that the pages have are not sent again.

    A page that joined while this was read gets nothing: the answer to its hello is read after this.
    """
    session_id, language = str(row.id), subscription.key.language
    rendered = found.rendered[session_id].get(language)
    if rendered is None:
        return
    if not subscription.filter.access.allows(row.agent_type):  # since its agent type was changed
        outbox.of(subscription).rows[session_id] = gone_fragment(session_id, row.version)
        return
    belongs = subscription.matches(row)
    has_moved = subscription.note_membership(session_id, belongs)
    sent = shown.sent_parts.get(language)
    is_known = sent is not None and sent == rendered.parts
    if is_known and not has_moved and row.version > shown.sent_version:
        outbox.of(subscription).touched[session_id] = VersionBump.of(row, shown.sent_version)
    else:
        outbox.of(subscription).rows[session_id] = found.entry(row, language, belongs)


def _push_version(outbox: Outbox, session_id: str, shown: WatchedSession, version: int) -> None:
    """Pages of one session fetch the rest themselves."""
    for subscription in shown.subscriptions:
        if not subscription.is_list:
            outbox.of(subscription).session |= session_part(session_id, version=version)
            shown.version = max(shown.version, version)


def row_text(found: RowSnapshot, row: Row, subscription: Subscription) -> str | None:
    """The row's entry in a frame; None if it was not read in this language."""
    if subscription.key.language not in found.rendered[str(row.id)]:
        return None
    belongs = subscription.matches(row)
    subscription.note_membership(str(row.id), belongs)
    return found.entry(row, subscription.key.language, belongs)


def session_part(session_id: str, **numbers: int) -> dict[str, str]:
    return {"id": f'"{session_id}"', **{name: str(value) for name, value in numbers.items()}}

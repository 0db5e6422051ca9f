"""What each page shows: equal pages share a subscription, sessions know their subscriptions."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sessions_app.permissions import Access
from sessions_app.rendering.row_html import RowParts
from sessions_app.selectors.filters import ListFilter
from sessions_app.selectors.rows import Row

from ..sockets.connection import SocketConnection


class SubscriptionKey(NamedTuple):
    page: str
    query: str
    language: str
    ids: frozenset[str]
    access: Access
    conversation: str = ""


class Subscription:
    """Pages with the same contents, language and filter."""

    __slots__ = ("counts_sent", "filter", "is_list", "key", "newcomers", "outside", "sockets")

    def __init__(self, key: SubscriptionKey, wanted: ListFilter) -> None:
        self.key = key
        self.is_list = key.page == "list"
        self.filter = wanted
        self.sockets: set[SocketConnection] = set()
        self.newcomers: dict[str, float] = {}
        self.outside: set[str] = set()
        """Rows that are shown and, as the pages were told, do not belong to the list any more."""
        self.counts_sent: str | None = None

    def matches(self, row: Row) -> bool:
        shown = str(row.id) in self.key.ids
        return self.filter.matches(row, shown=shown)

    def note_membership(self, session_id: str, belongs: bool) -> bool:
        """Whether this is new to the pages."""
        has_changed = belongs == (session_id in self.outside)
        (self.outside.discard if belongs else self.outside.add)(session_id)
        return has_changed

    def newcomers_for(self, socket: SocketConnection) -> int:
        return sum(1 for at in self.newcomers.values() if at >= socket.since)


class WatchedSession:
    """A session on open pages: the newest version and heartbeat that were pushed.

    `sent_parts`: parts of its row in the version `sent_version`, by language; empty once a page may
    have another version.
    """

    __slots__ = ("beat", "sent_parts", "sent_version", "subscriptions", "version")

    def __init__(self) -> None:
        self.subscriptions: set[Subscription] = set()
        self.version = 0
        self.beat = 0
        self.sent_version = 0
        self.sent_parts: dict[str, RowParts | None] = {}

    def reset_if_older(self, version: int) -> None:
        """Called when a list with this version is opened."""
        if version != self.sent_version:
            self.sent_parts = {}


class WatchedConversation:
    """A conversation on open pages; several sessions may share it."""

    __slots__ = ("due", "stamp", "subscriptions")

    def __init__(self) -> None:
        self.subscriptions: set[Subscription] = set()
        self.stamp: str | None = None
        self.due = True


class SubscriptionRegistry:
    def __init__(self) -> None:
        self.sockets: dict[SocketConnection, Subscription | None] = {}
        """Open pages, each with what it shows as soon as it has said so."""
        self.conversations: dict[str, WatchedConversation] = {}
        self.subscriptions: dict[SubscriptionKey, Subscription] = {}
        self.shown: dict[str, WatchedSession] = {}

    def subscribe(
        self, socket: SocketConnection, key: SubscriptionKey, wanted: ListFilter
    ) -> Subscription:
        """From here on the page is sent changes."""
        subscription = self.subscriptions.get(key)
        if subscription is None:
            subscription = self.subscriptions[key] = Subscription(key, wanted)
            for session_id in key.ids:
                self.shown.setdefault(session_id, WatchedSession()).subscriptions.add(subscription)
        subscription.sockets.add(socket)
        if key.conversation:
            self._join(key.conversation, subscription)
        previous = self.sockets.get(socket)
        self.sockets[socket] = subscription
        if previous is not None and previous is not subscription:
            self._leave(socket, previous)
        return subscription

    def _join(self, conversation: str, subscription: Subscription) -> None:
        """A new page gets the stored stamp, whatever the others have been sent."""
        watched = self.conversations.setdefault(conversation, WatchedConversation())
        watched.subscriptions.add(subscription)
        watched.stamp, watched.due = None, True

    def remove(self, socket: SocketConnection) -> None:
        subscription = self.sockets.pop(socket, None)
        if subscription is not None:
            self._leave(socket, subscription)

    def _leave(self, socket: SocketConnection, subscription: Subscription) -> None:
        subscription.sockets.discard(socket)
        if subscription.sockets or self.subscriptions.get(subscription.key) is not subscription:
            return
        del self.subscriptions[subscription.key]
        for session_id in subscription.key.ids:
            shown = self.shown[session_id]
            shown.subscriptions.discard(subscription)
            if not shown.subscriptions:
                del self.shown[session_id]
        if watched := self.conversations.get(subscription.key.conversation):
            watched.subscriptions.discard(subscription)
            if not watched.subscriptions:
                del self.conversations[subscription.key.conversation]

    def lists(self) -> list[Subscription]:
        return [
            subscription for subscription in self.subscriptions.values() if subscription.is_list
        ]

    def lists_showing(self, session_id: str) -> int:
        shown = self.shown.get(session_id)
        return sum(1 for s in shown.subscriptions if s.is_list) if shown else 0

    def sent_parts(self, ids: Iterable[str]) -> dict[str, dict[str, RowParts | None]]:
        """Sessions on lists: languages in which they are shown, and the parts that pages have, if known."""
        found = {}
        for session_id, shown in self.watched(ids).items():
            languages = {s.key.language for s in shown.subscriptions if s.is_list}
            if languages:
                found[session_id] = {each: shown.sent_parts.get(each) for each in languages}
        return found

    def chunks(self, size: int) -> Iterator[list[str]]:
        ids = list(self.shown)
        for start in range(0, len(ids), size):
            yield ids[start : start + size]

    def watched(self, ids: Iterable[str]) -> dict[str, WatchedSession]:
        return {i: shown for i in ids if (shown := self.shown.get(i)) is not None}

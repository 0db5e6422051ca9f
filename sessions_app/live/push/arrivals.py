"""The "14 new" of a list: sessions that came into its filter since the page was drawn and are not on it."""

from collections.abc import Callable, Iterable, Mapping

from sessions_app.selectors.rows import Row

from ..state.change_buffer import FirstSeen
from ..state.subscriptions import Subscription, SubscriptionRegistry

At = Mapping[str, float]
Belongs = Callable[[Subscription, str], bool]


class Candidates:
    """Changes that may have brought a session into a list that does not show it."""

    def __init__(self) -> None:
        self._first: dict[str, FirstSeen] = {}

    def __bool__(self) -> bool:
        return bool(self._first)

    def note(self, first: Mapping[str, FirstSeen], registry: SubscriptionRegistry) -> None:
        lists = len(registry.lists())
        for session_id, heard in first.items() if lists else ():
            if registry.lists_showing(session_id) < lists:
                self._first.setdefault(session_id, heard)

    def take(self, most: int) -> dict[str, FirstSeen]:
        taken = dict(list(self._first.items())[:most])
        for session_id in taken:
            del self._first[session_id]
        return taken

    def put_back(self, taken: Mapping[str, FirstSeen]) -> None:
        self._first = {**self._first, **taken}


def by_row(rows: Mapping[str, Row]) -> Belongs:
    """Judged by the rows alone."""

    def belongs(subscription: Subscription, session_id: str) -> bool:
        row = rows.get(session_id)
        return row is not None and subscription.matches(row)

    return belongs


def by_verdict(verdicts: Mapping[str, bool]) -> Belongs:
    """As the database has judged."""
    return lambda _, session_id: verdicts[session_id]


def update(
    lists: Iterable[Subscription], arrivals: At, belongs: Belongs, most: int
) -> list[Subscription]:
    """Counts the arrivals in or out of each list; returns the lists whose number may have changed."""
    verdicts: dict[tuple[int, str], bool] = {}
    touched = []
    for subscription in lists:
        before = len(subscription.newcomers)
        for session_id, at in arrivals.items():
            if session_id in subscription.key.ids:
                continue
            asked = (id(subscription.filter), session_id)
            if asked not in verdicts:
                verdicts[asked] = belongs(subscription, session_id)
            if not verdicts[asked]:
                subscription.newcomers.pop(session_id, None)
            elif len(subscription.newcomers) < most:
                subscription.newcomers.setdefault(session_id, at)
        if before or subscription.newcomers:
            touched.append(subscription)
    return touched


def tell(subscriptions: Iterable[Subscription]) -> None:
    for subscription in subscriptions:
        for socket in subscription.sockets:
            socket.tell_newcomers(subscription.newcomers_for(socket))
            socket.schedule()

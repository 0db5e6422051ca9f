"""The count of new sessions of a list: they entered its filter after the page was rendered and are not on it."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from sessions_app.selectors.rows import Row

from ..state.change_buffer import FirstSeen
from ..state.queries import Arrivals
from ..state.subscriptions import Subscription, SubscriptionRegistry

At = Mapping[str, float]
Belongs = Callable[[Subscription, str], bool]


class ArrivalCandidates(dict[str, FirstSeen]):
    """Changes that may have brought a session into a list that does not show it."""

    def note(self, first: Mapping[str, FirstSeen], registry: SubscriptionRegistry) -> None:
        lists = len(registry.lists())
        for session_id, seen in first.items() if lists else ():
            if registry.lists_showing(session_id) < lists:
                self.setdefault(session_id, seen)

    def take(self, most: int) -> dict[str, FirstSeen]:
        return {session_id: self.pop(session_id) for session_id in list(self)[:most]}


def by_row(rows: Mapping[str, Row]) -> Belongs:
    """Decides membership by the rows alone."""

    def belongs(subscription: Subscription, session_id: str) -> bool:
        row = rows.get(session_id)
        return row is not None and subscription.matches(row)

    return belongs


def by_verdict(verdicts: Mapping[str, bool]) -> Belongs:
    """Decides membership as the database has answered."""
    return lambda _, session_id: verdicts[session_id]


def announce(
    lists: Sequence[Subscription], found: Arrivals, candidates: Mapping[str, FirstSeen], most: int
) -> None:
    """Plain filters are applied to rows; for searches inside sessions the database has answered already."""
    arrivals = {session_id: candidates[session_id].at for session_id in found.ids}
    plain = [each for each in lists if not each.filter.is_deep]
    push(update(plain, arrivals, by_row(found.rows), most) if arrivals else ())
    for wanted, inside in found.inside.items():
        came = {session_id: candidates[session_id].at for session_id in inside}
        these = [each for each in lists if each.filter == wanted]
        push(update(these, came, by_verdict(inside), most))


def update(
    lists: Iterable[Subscription], arrivals: At, belongs: Belongs, most: int
) -> list[Subscription]:
    """Adds arrivals to each list or removes them; returns the lists whose number may have changed."""
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


def push(subscriptions: Iterable[Subscription]) -> None:
    """Sends each page its number, counted since the page was rendered."""
    for subscription in subscriptions:
        for socket in subscription.sockets:
            socket.set_newcomers(subscription.newcomers_for(socket))
            socket.schedule()

"""What the hub has heard and not yet passed on: only the newest of each session."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class FirstSeen(NamedTuple):
    """The first version that nobody has looked at yet, and when we heard of it (wall clock)."""

    version: int
    at: float


@dataclass(slots=True)
class Batch:
    """One tick's worth: the newest of each session, and `first` for who may be a newcomer."""

    changes: dict[str, int] = field(default_factory=dict)
    first: dict[str, FirstSeen] = field(default_factory=dict)
    beats: dict[str, int] = field(default_factory=dict)
    gap: int = 0
    gap_since: float = 0.0
    oldest: float | None = None

    def __bool__(self) -> bool:
        return bool(self.changes or self.beats or self.gap)

    def changed(self, changes: Iterable[tuple[str, int]], at: float) -> None:
        for session_id, version in changes:
            if version > self.changes.get(session_id, 0):
                self.changes[session_id] = version
            if session_id not in self.first or version < self.first[session_id].version:
                self.first[session_id] = FirstSeen(version, at)

    def beat(self, session_id: str, ms: int) -> None:
        if ms > self.beats.get(session_id, 0):
            self.beats[session_id] = ms

    def missed(self, gap: int, since: float) -> None:
        self.gap_since = min(since, self.gap_since) if self.gap else since
        self.gap = max(gap, self.gap)


class ChangeBuffer:
    """Changes of sessions nobody shows are kept too: they may be newcomers to somebody's filter."""

    def __init__(self) -> None:
        self._work = Batch()
        self._in_hand: Batch | None = None
        self._gaps = 0
        self._healed = 0

    def __bool__(self) -> bool:
        return bool(self._work)

    def changed(self, changes: Iterable[tuple[str, int]], *, at: float, now: float) -> None:
        """`at` is the wall clock's, `now` the steady clock's."""
        self._work.changed(changes, at)
        if self._work.changes and self._work.oldest is None:
            self._work.oldest = now

    def beat(self, session_id: str, ms: int) -> None:
        self._work.beat(session_id, ms)

    def missed(self, since: float) -> None:
        """Notifications may have been missed since then: everything shown has to be compared."""
        self._gaps += 1
        self._work.missed(self._gaps, since)

    def knows(self, session_id: str) -> int:
        """The version of a change that waits to be passed on, or 0."""
        return self._work.changes.get(session_id, 0)

    @property
    def has_gap(self) -> bool:
        return self._gaps > self._healed

    @property
    def oldest(self) -> float | None:
        """Since when the oldest change that was heard is waiting to be passed on."""
        times = [w.oldest for w in (self._work, self._in_hand) if w and w.oldest is not None]
        return min(times, default=None)

    def take(self) -> Batch:
        self._in_hand, self._work = self._work, Batch()
        return self._in_hand

    def ack(self, work: Batch) -> None:
        self._healed = max(self._healed, work.gap)
        self._in_hand = None

    def requeue(self, work: Batch) -> None:
        """A tick that could not read the database loses nothing: the next one has it all again."""
        newer = self._work
        for session_id, version in work.changes.items():
            newer.changes[session_id] = max(version, newer.changes.get(session_id, 0))
        newer.first |= work.first
        for session_id, ms in work.beats.items():
            newer.beat(session_id, ms)
        if work.gap:
            newer.missed(work.gap, work.gap_since)
        newer.oldest = self.oldest
        self._in_hand = None

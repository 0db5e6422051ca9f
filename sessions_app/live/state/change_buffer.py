"""Received changes and heartbeats that are not pushed yet: only the newest of each session."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class FirstSeen(NamedTuple):
    """The oldest unpushed version, and when its notification came (wall clock)."""

    version: int
    at: float


@dataclass(slots=True)
class Batch:
    """Input of one tick: the newest of each session, and `first` for possible arrivals.

    `gap` numbers the last time that notifications may have been missed, `gap_since` is since when they may be missing.
    `oldest` is when the oldest change came, by the monotonic clock.
    """

    changes: dict[str, int] = field(default_factory=dict)
    first: dict[str, FirstSeen] = field(default_factory=dict)
    beats: dict[str, int] = field(default_factory=dict)
    gap: int = 0
    gap_since: float = 0.0
    oldest: float | None = None

    def __bool__(self) -> bool:
        return bool(self.changes or self.beats or self.gap)

    def changed(
        self, changes: Iterable[tuple[str, int]], *, at: float, now: float | None = None
    ) -> None:
        """`at` is of the wall clock, `now` of the monotonic clock."""
        for session_id, version in changes:
            if version > self.changes.get(session_id, 0):
                self.changes[session_id] = version
            if session_id not in self.first or version < self.first[session_id].version:
                self.first[session_id] = FirstSeen(version, at)
            if self.oldest is None:
                self.oldest = now

    def beat(self, session_id: str, ms: int) -> None:
        if ms > self.beats.get(session_id, 0):
            self.beats[session_id] = ms

    def missed(self, gap: int, since: float) -> None:
        self.gap_since = min(since, self.gap_since) if self.gap else since
        self.gap = max(gap, self.gap)


class ChangeBuffer:
    """Changes of sessions that no page shows are kept, too: they may enter a list.

    `received` collects for the next tick.
    """

    def __init__(self) -> None:
        self.received = Batch()
        self._in_hand: Batch | None = None
        self._gaps = 0
        self._healed = 0

    def missed(self, since: float) -> None:
        """Notifications may have been missed since then: everything shown has to be compared."""
        self._gaps += 1
        self.received.missed(self._gaps, since)

    def knows(self, session_id: str) -> int:
        """The version of the waiting change, or 0."""
        return self.received.changes.get(session_id, 0)

    @property
    def has_gap(self) -> bool:
        return self._gaps > self._healed

    @property
    def oldest(self) -> float | None:
        """When the oldest waiting change was received."""
        batches = (self.received, self._in_hand)
        times = [batch.oldest for batch in batches if batch and batch.oldest is not None]
        return min(times, default=None)

    def take(self) -> Batch:
        self._in_hand, self.received = self.received, Batch()
        return self._in_hand

    def ack(self, batch: Batch) -> None:
        self._healed = max(self._healed, batch.gap)
        self._in_hand = None

    def requeue(self, batch: Batch) -> None:
        """After a failed tick: the next one gets everything again."""
        newer = self.received
        for session_id, version in batch.changes.items():
            newer.changes[session_id] = max(version, newer.changes.get(session_id, 0))
        newer.first |= batch.first
        for session_id, ms in batch.beats.items():
            newer.beat(session_id, ms)
        if batch.gap:
            newer.missed(batch.gap, batch.gap_since)
        newer.oldest = self.oldest
        self._in_hand = None

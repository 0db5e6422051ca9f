"""What the hub has heard and not yet passed on: only the newest of each session."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Work:
    """One tick's worth. `first` is the oldest version that nobody has looked at yet."""

    changes: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    beats: dict[str, int] = field(default_factory=dict)
    gap: int = 0
    gap_since: float = 0.0
    oldest: float | None = None

    def __bool__(self) -> bool:
        return bool(self.changes or self.beats or self.gap)

    def changed(self, changes: Iterable[tuple[str, int]]) -> None:
        for session_id, version in changes:
            if version > self.changes.get(session_id, 0):
                self.changes[session_id] = version
            if version < self.first.get(session_id, version + 1):
                self.first[session_id] = version

    def beat(self, session_id: str, ms: int) -> None:
        if ms > self.beats.get(session_id, 0):
            self.beats[session_id] = ms

    def missed(self, gap: int, since: float) -> None:
        self.gap_since = min(since, self.gap_since) if self.gap else since
        self.gap = max(gap, self.gap)


class Pending:
    """Changes of sessions nobody shows are kept too: they may be newcomers to somebody's filter."""

    def __init__(self) -> None:
        self._work = Work()
        self._in_hand: Work | None = None
        self._gaps = 0
        self._healed = 0

    def __bool__(self) -> bool:
        return bool(self._work)

    def changed(self, changes: Iterable[tuple[str, int]], now: float) -> None:
        self._work.changed(changes)
        if self._work.changes and self._work.oldest is None:
            self._work.oldest = now

    def beat(self, session_id: str, ms: int) -> None:
        self._work.beat(session_id, ms)

    def missed(self, since: float) -> None:
        """Notifications may have been missed since then: everything shown has to be compared."""
        self._gaps += 1
        self._work.missed(self._gaps, since)

    @property
    def has_gap(self) -> bool:
        return self._gaps > self._healed

    @property
    def oldest(self) -> float | None:
        """Since when the oldest change that was heard is waiting to be passed on."""
        times = [w.oldest for w in (self._work, self._in_hand) if w and w.oldest is not None]
        return min(times, default=None)

    def take(self) -> Work:
        self._in_hand, self._work = self._work, Work()
        return self._in_hand

    def done(self, work: Work) -> None:
        self._healed = max(self._healed, work.gap)
        self._in_hand = None

    def put_back(self, work: Work) -> None:
        """A tick that could not read the database loses nothing: the next one has it all again."""
        newer = self._work
        newer.changed(work.changes.items())
        for session_id, first in work.first.items():
            newer.first[session_id] = min(first, newer.first.get(session_id, first))
        for session_id, ms in work.beats.items():
            newer.beat(session_id, ms)
        if work.gap:
            newer.missed(work.gap, work.gap_since)
        newer.oldest = self.oldest
        self._in_hand = None

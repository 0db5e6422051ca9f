"""Times without heartbeats or notifications, which do not count as silence of sessions."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

JUMP = 2.0
STANDSTILL = 5.0


class Outage(NamedTuple):
    cause: str
    since: float
    until: float | None


class OutageTracker:
    """Outages in seconds of the wall clock.

    All causes are open at first: nothing was received before the start.
    """

    def __init__(
        self,
        causes: tuple[str, ...],
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        standstill: float = STANDSTILL,
    ) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._standstill = standstill
        self._looked = (clock(), monotonic())
        self.open: dict[str, float] = dict.fromkeys(causes, clock())
        self.past: deque[Outage] = deque(maxlen=100)

    @property
    def since(self) -> float | None:
        return min(self.open.values(), default=None)

    def begin(self, cause: str, since: float | None = None) -> None:
        self.open.setdefault(cause, self._clock() if since is None else since)

    def end(self, cause: str) -> None:
        since = self.open.pop(cause, None)
        if since is not None:
            self.past.append(Outage(cause, since, self._clock()))

    def outages(self) -> list[Outage]:
        return [*self.past, *(Outage(cause, since, None) for cause, since in self.open.items())]

    def check_clock(self) -> Outage | None:
        """Called about every second.

        Records and returns an outage if the clock jumped or this process stood still.
        """
        wall, steady = self._clock(), self._monotonic()
        before, steady_before = self._looked
        self._looked = (wall, steady)
        passed, shown = steady - steady_before, wall - before
        found = None
        if abs(shown - passed) > JUMP:
            found = Outage("clock", min(before, wall), max(before, wall))
        elif passed > self._standstill:
            found = Outage("standstill", before, wall)
        if found:
            self.past.append(found)
        return found

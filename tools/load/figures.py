"""Counts and latencies: printed once a second by each process, collected by the parent."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict, deque
from typing import Any

LIVE = 5.0  # seconds that the live figures cover
SHARES = (0.5, 0.95, 0.99)


class Latencies(Counter[int]):
    """Latencies in milliseconds, with their counts."""

    def quantile(self, share: float) -> int | None:
        wanted, so_far = share * self.total(), 0
        for ms in sorted(self):
            so_far += self[ms]
            if so_far >= wanted:
                return ms
        return None


class PrintedFigures:
    """One process's figures since the last line. Prints a line of JSON a second."""

    def __init__(self) -> None:
        self._new: dict[str, Counter[int]] = defaultdict(Counter)

    def note(self, what: str, seconds: float) -> None:
        self._new[what][max(0, round(seconds * 1000))] += 1

    def say(self, **more: Any) -> None:
        new, self._new = self._new, defaultdict(Counter)
        print(json.dumps({"new": new, **more}), flush=True)

    async def for_ever(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.say()


class Board:
    """Figures of all processes: totals and the last seconds."""

    def __init__(self) -> None:
        self.total: dict[str, Latencies] = defaultdict(Latencies)
        self._recent: deque[tuple[float, str, Latencies]] = deque()
        self._begun = time.monotonic()

    def hear(self, new: dict[str, dict[str, int]]) -> None:
        for what, counted in new.items():
            found = Latencies({int(ms): n for ms, n in counted.items()})
            self.total[what] += found
            self._recent.append((time.monotonic(), what, found))

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def recent(self, what: str) -> tuple[float, Latencies]:
        """The rate a second of the last `LIVE` seconds, and their latencies."""
        now = time.monotonic()
        while self._recent and now - self._recent[0][0] > LIVE:
            self._recent.popleft()
        found = Latencies()
        for _, name, counted in self._recent:
            if name == what:
                found += counted
        return found.total() / min(LIVE, max(self.seconds, 1.0)), found

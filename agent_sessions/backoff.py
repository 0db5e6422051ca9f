"""How long to wait before the next attempt."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double from `first` to `longest` seconds, each shortened by up to half at random.

    Without the random part all processes that lost the same server would reconnect at the same time.
    """

    def __init__(self, first: float = 0.1, longest: float = 5.0) -> None:
        self._first, self._longest = first, longest
        self.failures = 0

    def next(self) -> float:
        """Seconds to wait now; the next wait is longer, up to the bound."""
        # 2 ** 30 is beyond every bound; without this limit the power would overflow after a thousand failures.
        ceiling = min(self._longest, self._first * 2 ** min(self.failures, 30))
        self.failures += 1
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311  # spreads load, guards nothing

    def reset(self) -> None:
        """The last attempt succeeded: the next failure waits `first` again."""
        self.failures = 0

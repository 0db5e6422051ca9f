"""How long to wait before the next try to connect."""

import random
from collections.abc import Callable


class Backoff:
    """Doubling waits with full jitter, so that many processes do not come back at one instant."""

    def __init__(
        self,
        first: float = 0.1,
        most: float = 5.0,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first, self._most, self._uniform = first, most, uniform
        self.failures = 0

    def next(self) -> float:
        ceiling = min(self._most, self._first * 2 ** min(self.failures, 30))
        self.failures += 1
        return self._uniform(ceiling / 4, ceiling)

    def reset(self) -> None:
        self.failures = 0

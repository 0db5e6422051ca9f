"""Repeats an attempt at a fixed interval until it succeeds or its time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator


def poll(
    seconds: float, pause: float, sleep: Callable[[float], object] = time.sleep
) -> Iterator[bool]:
    """Yields at least once, and each time whether it is the last. Leave the loop on success."""
    deadline = time.monotonic() + seconds
    while not (is_last := time.monotonic() >= deadline):
        yield is_last
        sleep(pause)
    yield is_last

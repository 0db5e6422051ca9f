"""How long a test waits for a fact: no assertion on wall time, only the end of a test that would wait for ever."""

import time
from collections.abc import Callable

HANGS = 180.0
"""Seconds. Nothing that a test waits for comes near it, on however busy a machine."""


def until(
    condition: Callable[[], object], seconds: float = HANGS, said: Callable[[], str] = str
) -> None:
    """Asks until it holds. `said` is what explains why it does not, for example a program's output."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen: {said()}"
        time.sleep(0.05)

"""How long a test waits for a condition: a limit for hanging tests, not an assertion on time."""

import time
from collections.abc import Callable

HANGS = 180.0
"""Seconds. Nothing that a test waits for comes near it, on however busy a machine."""


def until(
    condition: Callable[[], object], seconds: float = HANGS, said: Callable[[], str] = str
) -> None:
    """Waits until the condition holds. `said` explains a failure, for example with a program's output."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen: {said()}"
        time.sleep(0.05)

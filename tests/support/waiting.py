"""How long a test waits for a fact: no assertion on wall time, only the end of a test that would wait for ever."""

import time
from collections.abc import Callable

HANGS = 180.0
"""Seconds. Nothing that a test waits for comes near it, on however busy a machine."""


def until(condition: Callable[[], object]) -> None:
    """Asks until it holds."""
    deadline = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)

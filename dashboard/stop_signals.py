"""SIGINT, SIGTERM and SIGHUP: ask a process to stop what it has started, in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop(BaseException):
    """A signal asked this process to end."""


class StopSignals:
    """Raises `Stop` in `check`, `wait` and `at_once`, never anywhere else.

    An exception raised inside `subprocess` can leave the lock of a Popen taken; waiting for that
    child would then never end. Signals that come while the process stops change nothing.
    """

    def __init__(self) -> None:
        self._asked = False
        self._at_once = False

    def check(self) -> None:
        if self._asked:
            raise Stop

    def wait(self, seconds: float) -> None:
        with self.at_once():
            time.sleep(seconds)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """For a block that may take long, such as a migration that waits for a lock."""
        self._at_once = True
        try:
            self.check()
            yield
        finally:
            self._at_once = False

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        first, self._asked = not self._asked, True
        if first and self._at_once:
            raise Stop


def stop_on_signals() -> StopSignals:
    """The handlers stay: a second signal does not disturb the stopping."""
    stop = StopSignals()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop.handle)
    return stop

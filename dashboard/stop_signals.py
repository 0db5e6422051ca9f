"""SIGINT, SIGTERM and SIGHUP: stop this process and its children in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop(BaseException):
    """A signal requested the end of this process."""


class StopSignals:
    """Raises `Stop` in `check`, `wait` and `at_once`, never anywhere else.

    An exception raised inside `subprocess` can leave the lock of a Popen taken; waiting for that
    child would then never end. Further signals are ignored while the process stops.
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
        """Raises `Stop` inside the block, for work that may block long, such as a migration waiting for a lock."""
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
    """Installs the handlers for good: a second signal does not interrupt the shutdown."""
    stop = StopSignals()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop.handle)
    return stop

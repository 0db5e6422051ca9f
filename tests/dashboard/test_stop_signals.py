"""A signal requests an orderly stop, and is raised only where no work can be left half done."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from dashboard.stop_signals import Stop, StopSignals, stop_on_signals

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def stop() -> Iterator[StopSignals]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield stop_on_signals()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_raised_by_the_next_check_and_not_before(
    stop: StopSignals, number: int
) -> None:
    stop.check()
    signal.raise_signal(number)
    with pytest.raises(Stop):
        stop.check()


def test_a_signal_that_came_before_a_wait_ends_it_at_once(stop: StopSignals) -> None:
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Stop):
        stop.wait(3600)


def test_a_signal_ends_a_block_that_may_take_long(stop: StopSignals) -> None:
    with pytest.raises(Stop), stop.at_once():
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("the block went on")


def test_a_second_signal_does_not_disturb_the_stopping(stop: StopSignals) -> None:
    with pytest.raises(Stop), stop.at_once():
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)


class SignalledLock:
    """A lock that raises SIGTERM when it is acquired for the first time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.signalled = False

    def acquire(self, blocking: bool = True) -> bool:
        taken = self._lock.acquire(blocking)
        if not self.signalled:
            self.signalled = True
            signal.raise_signal(signal.SIGTERM)
        return taken

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def test_a_child_that_was_polled_when_the_signal_came_can_be_stopped(stop: StopSignals) -> None:
    """An exception in `poll` would leave the lock of the Popen acquired, and its end unnoticed."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    child._waitpid_lock = SignalledLock()  # type: ignore[attr-defined]
    try:
        child.poll()
    finally:
        child.kill()
        child.wait(10)
    with pytest.raises(Stop):
        stop.check()

"""Restarts child processes that end, with increasing delays."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from dashboard.embedded.process import Child
from dashboard.errors import SetupError

FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0
LONG_ENOUGH = 30.0  # seconds; a process that ran longer is restarted with the first delay


def _warn(words: str) -> None:
    """Prints a warning. A closed terminal must not prevent a restart."""
    with suppress(OSError):
        print(f"warning: {words}", file=sys.stderr, flush=True)


@dataclass
class SupervisedProcess:
    """One program. `place` is the list of children in which a restart replaces it; `again` starts it."""

    place: list[Child]
    child: Child
    again: Callable[[], Child]
    wait: float = FIRST_WAIT
    started: float = 0.0
    due: float | None = None
    warn: Callable[[str], None] = _warn

    def tick(self, now: float) -> None:
        if self.due is None and self.child.process.poll() is not None:
            self._ended(now)
        if self.due is not None and now >= self.due:
            self._start_again(now)

    def restart(self) -> None:
        """Stops the program; the next `tick` starts it without the delay that follows a crash."""
        self.child.stop()
        self.wait, self.due = FIRST_WAIT, 0.0

    def kill(self, back_at: float) -> None:
        """Kills the program without a chance to tidy up; `tick` starts it again at `back_at`."""
        self.child.process.kill()
        self.child.stop()
        self.wait, self.due = FIRST_WAIT, back_at

    def _ended(self, now: float) -> None:
        if now - self.started > LONG_ENOUGH:
            self.wait = FIRST_WAIT
        self.due = now + self.wait
        code = self.child.process.returncode
        self.warn(f"{self.child.name} ended by itself (exit {code}): it is started again")
        self.child.stop()  # its own children too

    def _start_again(self, now: float) -> None:
        self.wait = min(2 * self.wait, LONGEST_WAIT)
        try:
            new = self.again()
        except SetupError as problem:
            self.due = now + self.wait
            self.warn(f"{problem}; trying again in {self.wait:.0f} s")
            return
        self.place[self.place.index(self.child)] = new
        self.child, self.due, self.started = new, None, now


def supervise(
    programs: list[SupervisedProcess],
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Runs until a signal ends it."""
    for program in programs:
        program.started = clock()
    while True:
        for program in programs:
            program.tick(clock())
        pause(0.5)

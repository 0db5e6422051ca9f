"""Starts the agents' processes, starts again what ends, kills one now and then, and leaves none behind.

Each child holds the reading end of a pipe as its standard input. When this process dies, however it dies, the
pipe ends and the child with it.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Tell = Callable[[str], None]
STOP_SECONDS = 10.0
SETTLED_SECONDS = 30.0
LONGEST_WAIT = 30.0


@dataclass
class Program:
    """One agent's process, and when it may be started."""

    worker: str
    module: str
    arguments: tuple[str, ...]
    may_be_killed: bool = False
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0
    started: float = 0.0
    wait: float = 1.0

    def start(self, environ: Mapping[str, str], now: float) -> None:
        self.started = now
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, *self.arguments],
            stdin=subprocess.PIPE,
            env={**environ, "DEMO_LIFELINE": "1"},
        )

    def ended(self, now: float) -> int | None:
        """The exit status, once, when it has ended; sets when it may start again."""
        if self.process is None or (status := self.process.poll()) is None:
            return None
        self._forget()
        self.wait = (
            1.0 if now - self.started > SETTLED_SECONDS else min(LONGEST_WAIT, 2 * self.wait)
        )
        self.start_at = now + self.wait
        return status

    def kill(self, back_at: float) -> None:
        """As a power cut would end it: nothing is tidied, its sessions just fall silent."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._forget()
            self.start_at = back_at

    def ask_to_stop(self) -> None:
        if self.process is not None:
            self.process.terminate()

    def wait_for_end(self, seconds: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._forget()

    def _forget(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
        self.process = None


def crew(graders: int = 3, tutors: int = 2) -> list[Program]:
    def program(kind: str, module: str, may_be_killed: bool = False) -> Program:
        return Program(kind, f"demo.{module}", (kind,), may_be_killed)

    return [
        Program("gradebook-9c", "demo.gradebook", ("9c",)),
        *(program(f"grader-{n}", "grader", True) for n in range(1, graders + 1)),
        program("judge-1", "quality_judge"),
        *(program(f"tutor-{n}", "tutor", True) for n in range(1, tutors + 1)),
        program("alert-1", "alert"),
        program("orchestrator-1", "orchestrator"),
    ]


@dataclass
class Supervisor:
    programs: Sequence[Program]
    environ: Mapping[str, str]
    tell: Tell
    kills: bool = True
    clock: Callable[[], float] = time.monotonic
    chance: random.Random = field(default_factory=random.Random)
    stopping: bool = False

    def __post_init__(self) -> None:
        self.parent = os.getppid()
        self.next_kill = self.clock() + self.chance.uniform(90, 150)

    def run(self) -> None:
        """Until a signal comes or our own parent is gone. No process is left when this returns."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop_soon)
        try:
            while not self.stopping and os.getppid() == self.parent:
                self.tick(self.clock())
                time.sleep(0.25)
        finally:
            self.stop()

    def tick(self, now: float) -> None:
        for program in self.programs:
            status = program.ended(now)
            if status is not None and not self.stopping:
                self.tell(f"{program.worker} ended with {status}; starting it again")
            if program.process is None and now >= program.start_at and not self.stopping:
                program.start(self.environ, now)
        if self.kills and now >= self.next_kill:
            self._kill_one(now)

    def _kill_one(self, now: float) -> None:
        """Away for longer than it takes to count as lost; then its sessions are taken up again."""
        self.next_kill = now + self.chance.uniform(420, 600)
        candidates = [p for p in self.programs if p.may_be_killed and p.process is not None]
        if candidates:
            victim = self.chance.choice(candidates)
            away = self.chance.uniform(150, 210)
            victim.kill(back_at=now + away)
            self.tell(f"{victim.worker} was killed, on purpose; it is back in {away:.0f} s")

    def stop(self) -> None:
        deadline = self.clock() + STOP_SECONDS
        for program in self.programs:
            program.ask_to_stop()
        for program in self.programs:
            program.wait_for_end(deadline - self.clock())

    def _stop_soon(self, number: int, frame: object) -> None:
        self.stopping = True

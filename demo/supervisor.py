"""Starts the agents' processes, restarts those that end, kills one now and then, and leaves none behind.

Each has the reading end of a pipe as its standard input. When this process dies, however it dies, the
pipe ends, and each agent ends itself.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from dashboard.embedded import process
from dashboard.embedded.process import Child
from dashboard.supervisor import SupervisedProcess

Tell = Callable[[str], None]
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Program:
    """One agent's process."""

    worker: str
    module: str
    arguments: tuple[str, ...]
    may_be_killed: bool = False

    def start(self, environ: Mapping[str, str]) -> Child:
        return process.start(
            self.worker,
            [sys.executable, "-m", self.module, *self.arguments],
            env={**environ, "DEMO_LIFELINE": "1"},
            lifeline=True,
        )


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
    children: list[Child] = field(default_factory=list)
    kept: dict[str, SupervisedProcess] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parent = os.getppid()
        self.next_kill = self.clock() + self.chance.uniform(90, 150)

    def run(self) -> None:
        """Runs until a signal comes or the parent is gone. No process is left when it returns."""
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
            if self.stopping:
                return
            if program.worker in self.kept:
                self.kept[program.worker].tick(now)
            else:
                self._start(program, now)
        if self.kills and now >= self.next_kill:
            self._kill_one(now)

    def _start(self, program: Program, now: float) -> None:
        again = partial(program.start, self.environ)
        child = again()
        self.children.append(child)
        self.kept[program.worker] = SupervisedProcess(
            self.children, child, again, started=now, warn=self.tell
        )

    def _kill_one(self, now: float) -> None:
        """Kills one for longer than it takes to count as lost; its next process continues its sessions."""
        self.next_kill = now + self.chance.uniform(420, 600)
        candidates = [
            p for p in self.programs if p.may_be_killed and self.kept[p.worker].due is None
        ]
        if candidates:
            victim = self.chance.choice(candidates).worker
            away = self.chance.uniform(150, 210)
            self.kept[victim].kill(back_at=now + away)
            self.tell(f"{victim} was killed, on purpose; it is back in {away:.0f} s")

    def stop(self) -> None:
        """Stops all processes at once: one after the other could take STOP_SECONDS for each."""
        deadline = self.clock() + STOP_SECONDS
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.wait_for_end(max(0.0, deadline - self.clock()))

    def _stop_soon(self, number: int, frame: object) -> None:
        self.stopping = True

"""`make stress SEEDS=20 SECONDS=20`: one run for each seed; exit code 1 for a violation.

SEEDS is a number (from 1 on) or a list: 7,9 or 5-8. JOBS is the number of parallel runs, each on servers of its own.
Violations are printed, and saved with the log of every call in the folder REPORT (.data/stress).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.stress.plan import plan
from tools.stress.servers import StressServers
from tools.stress.stress_run import StressRun
from tools.stress.violations import Violation

SHOWN = 3  # for each rule and seed


@dataclass(frozen=True)
class StressOptions:
    seeds: tuple[int, ...]
    seconds: float
    jobs: int
    report: Path

    @classmethod
    def read(cls) -> StressOptions:
        value = os.environ.get
        try:
            found = cls(
                seeds_of(value("SEEDS") or "10"),
                float(value("SECONDS") or 20),
                int(value("JOBS") or 2),
                Path(value("REPORT") or ".data/stress"),
            )
        except ValueError as error:
            raise SystemExit(f"error: SEEDS, SECONDS and JOBS are numbers: {error}") from None
        if not found.seeds or found.seconds <= 0 or found.jobs <= 0:
            raise SystemExit("error: SEEDS, SECONDS and JOBS must be more than nothing")
        return found


def seeds_of(text: str) -> tuple[int, ...]:
    """ "3" is the first three, "7,9" these two, "5-8" these four."""
    if text.isdecimal():
        return tuple(range(1, int(text) + 1))
    parts = [part.partition("-") for part in text.split(",") if part]
    return tuple(n for a, _, b in parts for n in range(int(a), int(b or a) + 1))


@contextmanager
def places(number: int) -> Iterator[list[StressServers]]:
    made = [StressServers() for _ in range(number)]
    try:
        for place in made:
            place.start_servers()
        yield made
    finally:
        for place in made:
            place.stop_servers()


class Runs:
    def __init__(self, options: StressOptions) -> None:
        self._options = options
        self._waiting = list(options.seeds)
        self._begin = time.monotonic()
        self._done = 0
        self.violations: list[Violation] = []

    async def at(self, place: StressServers) -> None:
        """Runs one seed after the other on these servers, until none is left."""
        await place.start_workers()
        try:
            while self._waiting:
                await self._seed(place, self._waiting.pop(0))
        finally:
            await place.stop_workers()

    async def _seed(self, place: StressServers, seed: int) -> None:
        folder = self._options.report / f"seed-{seed}"
        for log in folder.glob("*.json*"):
            log.unlink()
        try:
            found = await StressRun(place, plan(seed, self._options.seconds), folder).run()
        except Exception as error:
            says = f"the run could not be finished: {type(error).__name__}: {error}"
            found = [Violation("run", says, "", seed=seed)]
            traceback.print_exc()
            await place.restart_workers()
        self._note(seed, found, folder)

    def _note(self, seed: int, found: list[Violation], folder: Path) -> None:
        self._done += 1
        self.violations += found
        report = json.dumps([asdict(violation) for violation in found], indent=1)
        (folder / "violations.json").write_text(report, "utf-8")
        seconds = time.monotonic() - self._begin
        done = f"{self._done}/{len(self._options.seeds)}"
        print(f"[{done}, {seconds:.0f} s] seed {seed}: {summary(found)}", flush=True)
        for violation in shown(found):
            print(f"  {violation}", flush=True)
        if found:
            print(f"  all of them: {folder}/violations.json", flush=True)


def shown(found: Sequence[Violation]) -> Iterator[Violation]:
    counted: Counter[str] = Counter()
    for violation in found:
        counted[violation.rule] += 1
        if counted[violation.rule] <= SHOWN:
            yield violation


def summary(found: Sequence[Violation]) -> str:
    counted = Counter(violation.rule for violation in found)
    return ", ".join(f"{n} {rule}" for rule, n in counted.most_common()) or "no violation"


async def run(options: StressOptions, made: list[StressServers]) -> list[Violation]:
    runs = Runs(options)
    async with asyncio.TaskGroup() as tasks:
        for place in made:
            tasks.create_task(runs.at(place))
    return runs.violations


def main() -> int:
    options = StressOptions.read()
    with places(min(options.jobs, len(options.seeds))) as made:
        violations = asyncio.run(run(options, made))
    print(f"{len(options.seeds)} seeds of {options.seconds:g} s: {summary(violations)}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())

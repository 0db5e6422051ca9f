"""`make mutants MINUTES=60 WORKERS=2 [ONLY=part of a path] [SEED=1]`: mutation testing.

Exit code 1 if a mutant survives that tools/mutants/survivors.md does not list with a reason. All
mutants take many hours: SEED draws their order evenly from all files, and those not run in time are
counted. LIST=1 only lists them.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tools.mutants.mutant import Mutant
from tools.mutants.runs import MutantOutcome, run
from tools.mutants.targets import TARGETS, mutants

ROOT = Path(__file__).parent.parent.parent
SURVIVORS = Path(__file__).parent / "survivors.md"
ACCEPTED = re.compile(r"^- (`[^`]+` `[^`]+`: .+?)\. (?:Equivalent|Accepted): ", re.MULTILINE)


def accepted() -> set[str]:
    return set(ACCEPTED.findall(SURVIVORS.read_text("utf-8")))


def drawn(only: str, seed: int) -> Iterator[Mutant]:
    """One of each file in turn, so that a limited time covers all files."""
    chance = random.Random(seed)  # noqa: S311
    each = [[*mutants(ROOT, path)] for path in TARGETS if only in path]
    for found in each:
        chance.shuffle(found)
    while any(each):
        for found in each:
            if found:
                yield found.pop()


def main() -> int:
    value = os.environ.get
    try:
        minutes, workers = float(value("MINUTES") or 60), int(value("WORKERS") or 2)
        seed = int(value("SEED") or random.randrange(10_000))  # noqa: S311
    except ValueError as error:
        raise SystemExit(f"error: MINUTES, WORKERS and SEED are numbers: {error}") from None
    known = accepted()
    found = [*drawn(value("ONLY") or "", seed)]
    chosen = [mutant for mutant in found if mutant.name not in known]
    print(f"{len(found)} mutants, {len(found) - len(chosen)} of them accepted; SEED={seed}")
    if value("LIST"):
        print(*(mutant.name for mutant in chosen), sep="\n")
        return 0
    counted: Counter[MutantOutcome] = Counter()

    def told(mutant: Mutant, outcome: MutantOutcome) -> None:
        counted[outcome] += 1
        print(f"{outcome}: {mutant.name}", flush=True)

    work = ((mutant, TARGETS[mutant.path]) for mutant in chosen)
    asyncio.run(run(ROOT, work, workers, minutes * 60, told))
    counted[MutantOutcome.NOT_RUN] += len(chosen) - counted.total()
    print(", ".join(f"{outcome}: {counted[outcome]}" for outcome in MutantOutcome))
    return int(counted[MutantOutcome.SURVIVED] + counted[MutantOutcome.TESTS_FAIL] > 0)


if __name__ == "__main__":
    sys.exit(main())

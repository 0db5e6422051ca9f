"""Runs the tests of a file against its mutants; each worker uses a copy of the repository."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.mutants.mutant import Mutant

FAILED_TESTS = 1
BROKEN = (2, 4)  # exit codes of pytest if collection fails or a conftest does not load
SLOWEST = 900.0  # seconds; a mutant whose tests take longer counts as noticed


class MutantOutcome(StrEnum):
    NOTICED = "noticed"
    SURVIVED = "survived"
    TESTS_FAIL = "its tests fail without it"
    NOT_RUN = "not run"


@contextmanager
def copy_of(root: Path) -> Iterator[Path]:
    """Copies tracked and new files, without ignored ones."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=root, check=True, capture_output=True,
    )  # fmt: skip
    with TemporaryDirectory(prefix="mutants-") as folder:
        for name in listed.stdout.decode().split("\0"):
            if name and (root / name).is_file():
                target = Path(folder, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, target)
        yield Path(folder)


async def outcome(copy: Path, mutant: Mutant, tests: Sequence[str]) -> MutantOutcome:
    """`NOT_RUN` if pytest ended with neither success nor a failure."""
    place = copy / mutant.path
    text = place.read_text("utf-8")
    place.write_text(mutant.of(text), "utf-8")
    try:
        code = await _tests(copy, tests)
    finally:
        place.write_text(text, "utf-8")
    if code == 0:
        return MutantOutcome.SURVIVED
    return (
        MutantOutcome.NOTICED
        if code is None or code in (FAILED_TESTS, *BROKEN)
        else MutantOutcome.NOT_RUN
    )


async def _tests(copy: Path, tests: Sequence[str]) -> int | None:
    """The exit code of pytest; None on timeout."""
    command = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=copy, start_new_session=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return await asyncio.wait_for(process.wait(), SLOWEST)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)
            await process.wait()


Told = Callable[[Mutant, MutantOutcome], None]


async def run(
    root: Path,
    work: Iterable[tuple[Mutant, Sequence[str]]],
    workers: int,
    seconds: float,
    told: Told,
) -> None:
    """Runs mutants until all are done or the time is over."""
    waiting = iter(work)
    healthy: dict[Sequence[str], asyncio.Task[int | None]] = {}

    async def worker(tasks: asyncio.TaskGroup) -> None:
        with copy_of(root) as copy, copy_of(root) as unchanged:
            for mutant, tests in waiting:
                if tests not in healthy:
                    healthy[tests] = tasks.create_task(_tests(unchanged, tests))
                if await healthy[tests] != 0:
                    told(mutant, MutantOutcome.TESTS_FAIL)
                else:
                    told(mutant, await outcome(copy, mutant, tests))

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(worker(group))
    except TimeoutError:
        pass

"""The grade books: one CSV file a class, written under a file lock.

`python -m demo.gradebook 9c` locks the book of 9c for half an hour at a time. A grader that enters grades
meanwhile waits: it is alive and makes no progress.
"""

import asyncio
import csv
import fcntl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from demo.agent_process import speak, until_told
from demo.surroundings import Pace, Surroundings

HELD_SECONDS = 1800.0
FREE_SECONDS = 20.0
ASK_AGAIN_SECONDS = 0.25


@asynccontextmanager
async def locked(folder: Path, class_name: str) -> AsyncIterator[Path]:
    """Waits for the lock without a timeout. The kernel releases it when its holder dies."""
    with _lock_file(folder, class_name) as lock:
        while not _take(lock):  # noqa: ASYNC110 - the kernel offers no event
            await asyncio.sleep(ASK_AGAIN_SECONDS)
        yield folder / f"notenbuch-{class_name}.csv"


def _lock_file(folder: Path, class_name: str) -> IO[str]:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / f"notenbuch-{class_name}.lock").open("w")


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def enter(folder: Path, class_name: str, grades: Mapping[str, str]) -> int:
    """Writes the grades into the class's book, replacing older ones; returns how many it holds now."""
    async with locked(folder, class_name) as book:
        entries = {**read(book), **grades}
        with book.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=";").writerows(sorted(entries.items()))
        return len(entries)


def read(book: Path) -> dict[str, str]:
    if not book.exists():
        return {}
    with book.open(encoding="utf-8", newline="") as file:
        return dict(csv.reader(file, delimiter=";"))


async def hold(folder: Path, class_name: str, pace: Pace) -> None:
    while True:
        async with locked(folder, class_name):
            await asyncio.sleep(HELD_SECONDS * pace.factor)
        await asyncio.sleep(FREE_SECONDS)


if __name__ == "__main__":
    speak(f"gradebook-{sys.argv[1]}")
    around = Surroundings.read(f"gradebook-{sys.argv[1]}")
    asyncio.run(until_told(hold(around.folder, sys.argv[1], around.pace)))

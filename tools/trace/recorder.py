"""Records which of the repository's functions a call passes, in which order."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import psycopg
import redis.asyncio

from agent_sessions.stores.sql import WRITES, query

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ("agent_sessions/",)
EVERYTHING = ("agent_sessions/", "dashboard/", "sessions_app/")
QUERIES = ROOT / "agent_sessions" / "sql" / "queries"
# Comprehensions and generator expressions belong to the function around them.
_INNER = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_STATEMENT = psycopg.AsyncCursor.execute.__code__
_ROUND_TRIPS = frozenset(
    {
        redis.asyncio.Redis.execute_command.__code__,
        redis.asyncio.client.Pipeline.execute.__code__,
    }
)


@dataclass(frozen=True)
class Figures:
    """What a path costs its reader: `reentries` counts calls into a file that the path had left before."""

    functions: int
    files: int
    reentries: int
    statements: tuple[str, ...]
    round_trips: int

    def __str__(self) -> str:
        return f"{self.functions} functions in {self.files} files, {self.reentries} re-entries"


@dataclass
class Recorder:
    """Calls of all tasks in the threads in which it is installed. A resumed coroutine is not a further call."""

    packages: tuple[str, ...] = LIBRARY
    calls: list[CodeType] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    round_trips: int = 0
    # Kept alive, so that no other frame takes the identity of one that was seen.
    _seen: dict[int, FrameType] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._folders = tuple(f"{ROOT}/{package}" for package in self.packages)

    def install(self) -> None:
        """Starts recording in this thread."""
        sys.setprofile(self._note)

    @staticmethod
    def remove() -> None:
        sys.setprofile(None)

    @contextmanager
    def recording(self) -> Iterator[None]:
        self.install()
        try:
            yield
        finally:
            self.remove()

    def figures(self) -> Figures:
        files = [code.co_filename for code in self.calls]
        changes = [file for before, file in pairwise(["", *files]) if before != file]
        return Figures(
            # by identity: code objects of two files are equal where they do the same
            functions=len({id(code) for code in self.calls}),
            files=len(set(files)),
            reentries=len(changes) - len(set(files)),
            statements=tuple(self.statements),
            round_trips=self.round_trips,
        )

    def path(self) -> Iterator[str]:
        """One line a call: file, and function with its class."""
        for code in self.calls:
            yield f"{Path(code.co_filename).relative_to(ROOT)!s:48} {code.co_qualname}"

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or id(frame) in self._seen:
            return
        code = frame.f_code
        if code is _STATEMENT:
            self._seen[id(frame)] = frame
            self.statements.append(_name_of(frame.f_locals.get("query")))
        elif code in _ROUND_TRIPS:
            self._seen[id(frame)] = frame
            self.round_trips += 1
        elif code.co_name not in _INNER and code.co_filename.startswith(self._folders):
            self._seen[id(frame)] = frame
            self.calls.append(code)


def _name_of(text: object) -> str:
    """The name of the query; the first words of a statement that has none."""
    for name in (*(path.stem for path in QUERIES.glob("*.sql")), *WRITES):
        if query(name) == text:
            return name
    return " ".join(str(text).split()[:3])


async def quiet() -> None:
    """Waits until no task that an earlier call has left behind is still running."""
    while left := [task for task in asyncio.all_tasks() if task.get_name().endswith(" group")]:
        await asyncio.wait(left)

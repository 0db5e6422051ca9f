"""Records each function of ours that begins, in all threads that it is installed in."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agent_sessions/", "dashboard/", "sessions_app/")
INLINE = ("<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>")


@dataclass
class ThreadRecorder:
    """`steps` are (file, function), in the order in which they began; a coroutine that goes on is no new step."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    _frames: set[FrameType] = field(default_factory=set)

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event != "call" or code.co_name in INLINE or frame in self._frames:
            return
        file = code.co_filename.removeprefix(f"{ROOT}/")
        if file.startswith(PACKAGES):
            self._frames.add(frame)
            self.steps.append((file, code.co_qualname))

    def install(self) -> None:
        """In this thread."""
        sys.setprofile(self)

    @staticmethod
    def remove() -> None:
        sys.setprofile(None)

    @property
    def functions(self) -> set[tuple[str, str]]:
        return set(self.steps)

    @property
    def files(self) -> list[str]:
        """Each once, in the order in which they were come into."""
        return list(dict.fromkeys(file for file, _ in self.steps))

    @property
    def re_entries(self) -> int:
        """How often a step lies in another file than the one before it, and in one that was left before."""
        entered = [now for (before, _), (now, _) in pairwise(self.steps) if now != before]
        seen = {self.steps[0][0]} if self.steps else set()
        found = 0
        for file in entered:
            found += file in seen
            seen.add(file)
        return found

    def show(self) -> str:
        lines = [f"  {file}  {name}" for file, name in self.steps]
        return "\n".join([*lines, self.summary()])

    def summary(self) -> str:
        return (
            f"{len(self.steps)} calls of {len(self.functions)} functions in {len(self.files)} files,"
            f" {self.re_entries} re-entries"
        )

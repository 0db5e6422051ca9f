"""A mutant: one replacement in one file."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`start` and `end` are offsets in characters."""

    path: str
    start: int
    end: int
    becomes: str
    where: str
    what: str

    @property
    def name(self) -> str:
        """Independent of line numbers, so that it stays the same when lines are added elsewhere."""
        return f"`{self.path}` `{self.where}`: {self.what}"

    def of(self, text: str) -> str:
        return text[: self.start] + self.becomes + text[self.end :]


def in_one_line(text: str) -> str:
    line = re.sub(r"\s+", " ", text).strip().replace("`", "'")
    return line if len(line) <= 90 else f"{line[:87]}…"

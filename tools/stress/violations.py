"""Violations: one sentence each, with the calls concerned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tools.stress.call_log import Call

Findings = Iterator[tuple[str, list[Call]]]
"""What a rule finds: a sentence, and the calls."""


@dataclass(frozen=True)
class Violation:
    """`rule` is the rule's short name; `calls` are the relevant log entries."""

    rule: str
    says: str
    session: str
    calls: list[dict[str, Any]] = field(default_factory=list)
    seed: int | None = None

    def __str__(self) -> str:
        calls = f" [{', '.join(call['id'] for call in self.calls[:3])}]" if self.calls else ""
        return f"seed {self.seed}, session {self.session[:8]}: {self.says} ({self.rule}){calls}"

"""The differences between two contexts, path by path."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agent_sessions.json_merge import MISSING, same

from .json_tree import JsonPath, dotted

SHOWN = 100
LONGEST = 160


@dataclass(frozen=True, slots=True)
class Difference:
    kind: str
    path: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Differences:
    shown: list[Difference]
    added: int = 0
    removed: int = 0
    changed: int = 0

    @property
    def total(self) -> int:
        return self.added + self.removed + self.changed

    @property
    def hidden(self) -> int:
        return self.total - len(self.shown)


def differences(before: Any, after: Any) -> Differences:
    shown: list[Difference] = []
    counts = {"added": 0, "removed": 0, "changed": 0}
    for path, old, new in _compare(before, after):
        kind = "added" if old is MISSING else "removed" if new is MISSING else "changed"
        counts[kind] += 1
        if len(shown) < SHOWN:
            shown.append(Difference(kind, dotted(path), _text(old), _text(new)))
    return Differences(shown, **counts)


def _compare(before: Any, after: Any) -> Iterator[tuple[JsonPath, Any, Any]]:
    """In reading order, without recursion: contexts may be nested deeper than Python's stack."""
    waiting: list[tuple[JsonPath, Any, Any]] = [((), before, after)]
    while waiting:
        path, old, new = waiting.pop()
        inner = _pairs(path, old, new)
        if inner is not None:
            waiting.extend(reversed(inner))
        elif not same(old, new):
            yield path, old, new


def _pairs(path: JsonPath, old: Any, new: Any) -> list[tuple[JsonPath, Any, Any]] | None:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [((*path, k), old.get(k, MISSING), new.get(k, MISSING)) for k in keys]
    if isinstance(old, list) and isinstance(new, list):
        longer = range(max(len(old), len(new)))
        return [((*path, i), _item(old, i), _item(new, i)) for i in longer]
    return None


def _item(values: list[Any], i: int) -> Any:
    return values[i] if i < len(values) else MISSING


def _text(value: Any) -> str:
    if value is MISSING:
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"

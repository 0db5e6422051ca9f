"""A JSON value as a collapsible tree of bounded size. Opening a branch fetches the rest."""

import hashlib
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

NODES = 300
PER_NODE = 100
DEPTH = 8
LONGEST = 300
OPEN_BELOW = 13

JsonPath = tuple[str | int, ...]


@dataclass(slots=True)
class Node:
    """`rest` is where the missing children begin; None if there are none."""

    key: str
    path: JsonPath
    value: Any
    children: list["Node"] = field(default_factory=list)
    rest: int | None = None

    @property
    def is_container(self) -> bool:
        return isinstance(self.value, (dict, list)) and bool(self.value)

    @property
    def kind(self) -> str:
        return _KINDS.get(type(self.value), "other")

    @property
    def size(self) -> int:
        return len(self.value)

    @property
    def text(self) -> str:
        if isinstance(self.value, str):
            return self.value[:LONGEST]
        if self.is_container:
            return "{ … }" if isinstance(self.value, dict) else "[ … ]"
        return json.dumps(self.value, ensure_ascii=False)[:LONGEST]

    @property
    def hidden(self) -> int:
        """The number of characters that are not shown."""
        return max(len(self.value) - LONGEST, 0) if isinstance(self.value, str) else 0

    @property
    def dotted(self) -> str:
        return dotted(self.path)

    @property
    def address(self) -> str:
        return json.dumps(self.path, ensure_ascii=False)

    @property
    def mark(self) -> str:
        """Stable for the same path in every rendering."""
        return hashlib.blake2s(self.address.encode("utf-8", "replace"), digest_size=6).hexdigest()

    @property
    def is_open(self) -> bool:
        return bool(self.children) and len(self.path) <= 1 and self.size < OPEN_BELOW


_KINDS = {
    dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "truth",
    type(None): "null",
}  # fmt: skip


def build(value: Any, *, at: JsonPath = (), start: int = 0, nodes: int = NODES) -> Node:
    """Breadth first, up to `nodes`, so that levels near the root come first."""
    root = Node("", at, value)
    waiting = deque([(root, start, 0)])
    while waiting:
        node, first, depth = waiting.popleft()
        if not node.is_container:
            continue
        wanted = min(node.size - first, PER_NODE)
        if depth >= DEPTH or wanted > nodes:
            node.rest = first
            continue
        nodes -= wanted
        node.children = _children(node, first, wanted)
        node.rest = first + wanted if first + wanted < node.size else None
        waiting.extend((child, 0, depth + 1) for child in node.children)
    return root


def _children(node: Node, first: int, n: int) -> list[Node]:
    if isinstance(node.value, dict):
        keys = list(node.value)[first : first + n]
        return [Node(str(key), (*node.path, key), node.value[key]) for key in keys]
    numbered = enumerate(node.value[first : first + n], first)
    return [Node(str(i), (*node.path, i), value) for i, value in numbered]


def find(value: Any, address: str) -> tuple[JsonPath, Any]:
    """The value at a path. Raises LookupError if there is none."""
    try:
        path = json.loads(address or "[]")
        for step in path:
            if isinstance(value, dict) or type(step) is int:
                value = value[step]
            else:
                raise LookupError(address)
    except (TypeError, ValueError, RecursionError) as error:
        raise LookupError(address) from error
    return tuple(path), value


@dataclass(frozen=True, slots=True)
class Hits:
    total: int
    shown: list[Node]


def search(value: Any, wanted: str) -> Hits:
    """Keys and values that contain the text, in reading order, without recursion."""
    wanted = wanted.casefold()
    total = 0
    shown: list[Node] = []
    waiting: list[Node] = [Node("", (), value)]
    while waiting:
        node = waiting.pop()
        if node.path and (wanted in node.key.casefold() or _says(node.value, wanted)):
            total += 1
            if len(shown) < PER_NODE:
                shown.append(node)
        if node.is_container:
            waiting.extend(reversed(_children(node, 0, node.size)))
    return Hits(total, shown)


def _says(value: Any, wanted: str) -> bool:
    if isinstance(value, str):
        return wanted in value.casefold()
    return not isinstance(value, dict | list) and wanted in json.dumps(value)


def dotted(path: JsonPath) -> str:
    """As people write it: grades[3].essay"""
    words = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(words).removeprefix(".")

"""Replays a session's history."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from agent_sessions import TRANSITIONS

AGENTS_MAY = {
    ("active", "paused"), ("active", "completed"), ("active", "failed"), ("active", "deleted"),
    ("paused", "active"), ("paused", "completed"), ("paused", "failed"), ("paused", "deleted"),
    ("completed", "deleted"), ("failed", "deleted"),
}  # fmt: skip


def replayed(entries: Sequence[dict[str, Any]]) -> tuple[int, str, int]:
    """(version, state, epoch) after all entries. Asserts one entry a version, each continuing the one before."""
    assert [e["version"] for e in entries] == list(range(1, len(entries) + 1)), "no gap, none twice"
    assert entries[0]["from_state"] is None
    for before, entry in pairwise(entries):
        assert entry["from_state"] == before["to_state"]
        assert entry["epoch"] in (before["epoch"], before["epoch"] + 1)
    last = entries[-1]
    return last["version"], last["to_state"], last["epoch"]


def states_that_history_allows(entries: Sequence[dict[str, Any]]) -> None:
    """Asserts that every change of state is in the table of transitions, by its verb."""
    for entry in entries[1:]:
        was, becomes = entry["from_state"], entry["to_state"]
        verb = (entry["detail"] or {}).get("verb")
        if entry["kind"] != "order":
            assert was == becomes or (was, becomes) in AGENTS_MAY, entry
        elif verb == "restore":
            assert was == "deleted" != becomes
        else:
            table = {str(a): str(b) for a, b in TRANSITIONS[str(verb)].items()}
            assert table.get(was) == becomes, entry

"""A short correct session: its record, and the calls that made it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

from tools.stress.call_log import Call
from tools.stress.judge import judge
from tools.stress.stored_state import RecordedEntry, Stored, StressRecord

SESSION = "5e551011-0000-4000-8000-000000000000"
BEGIN = {"begin": 1}
ONE = BEGIN | {"agent 0": "agent 1"}
TWO = ONE | {"shared": "writer 1"}
THREE = ONE | {"old status": "busy"}


def order(version: int, verb: str, was: str, becomes: str, **more: Any) -> RecordedEntry:
    given: dict[str, Any] = {
        "epoch": 0,
        "actor": "olga",
        "source": "page",
        "change_id": f"request {version}",
    }
    return RecordedEntry(
        version, float(version), "order", was, becomes, verb=verb, **(given | more)
    )


def entries() -> list[RecordedEntry]:
    return [
        RecordedEntry(1, 1.0, "created", None, "active", 0),
        RecordedEntry(2, 2.0, "checkpoint", "active", "active", 0, change_id="agent a"),
        order(3, "pause", "active", "paused"),
        RecordedEntry(4, 4.0, "acknowledged", "paused", "paused", 0, order_version=3),
        order(5, "resume", "paused", "active"),
        RecordedEntry(6, 6.0, "checkpoint", "active", "active", 0, change_id="agent b"),
        RecordedEntry(7, 7.0, "context", "active", "active", 0, change_id="writer a"),
        order(8, "rollback", "active", "active", epoch=1),
        RecordedEntry(9, 9.0, "checkpoint", "active", "active", 1, source="old-agent"),
    ]


def calls() -> list[Call]:
    run: dict[str, Any] = {"run": "r", "tasks": 1, "path": "agent 0", "epoch": 0}
    return [
        call("step 1", "agent", "step", 1.1, 1.8, **run),
        call("a", "agent", "checkpoint", 1.9, 5.1, copy=copy(2, ONE), tokens=["a1"], wants={"agent 0": "agent 1"}, **run),
        call("pause", "olga", "pause", 2.9, 3.1, copy=copy(3, ONE, "paused"), order="pause", request="request 3"),
        call("resume", "olga", "resume", 4.9, 5.1, copy=copy(5, ONE), order="resume", request="request 5"),
        call("step 2", "agent", "step", 5.2, 5.8, **run),
        call("b", "agent", "checkpoint", 5.9, 6.1, copy=copy(6, ONE), tokens=["a2"], wants={}, **run),
        call("read", "writer", "get_session", 6.2, 6.3, copy=copy(6, ONE)),
        call("w", "writer", "update_session", 6.9, 7.1, copy=copy(7, TWO), epoch=0, order_seen=5, tokens=[],
             wants={"shared": "writer 1"}, seen={"shared": None}),
        call("back", "olga", "rollback", 7.9, 8.1, copy=copy(8, ONE, epoch=1), order="rollback", request="request 8"),
        call("o", "old", "upsert", 8.9, 9.1, tokens=["o1"], wants={"old status": "busy"},
             changed={"old status": "busy"}, state="active", order_seen=8),
    ]  # fmt: skip


def call(
    id: str,
    who: str,
    name: str,
    start: float,
    end: float,
    copy: dict[str, Any] | None = None,
    **facts: Any,
) -> Call:
    return Call(id, who, SESSION, name, start, end, copy=copy, facts=facts)


def copy(version: int, context: dict[str, Any], state: str = "active", epoch: int = 0) -> Any:
    return {"version": version, "epoch": epoch, "state": state, "context": dict(context)}


class Story:
    """Change a part of it, and see which rules the judge finds broken."""

    def __init__(self) -> None:
        self.history = entries()
        self.calls = {call.id: call for call in calls()}
        self.checkpoints = [
            Stored(1, "session_created", None, 1), Stored(2, "worked", "a1", 2),
            Stored(3, "session_paused", None, 3), Stored(4, "session_resumed", None, 5),
            Stored(5, "worked", "a2", 6), Stored(6, "before rollback", None, 8),
            Stored(7, "session_rolled_back", None, 8), Stored(8, "turn", "o1", 9),
        ]  # fmt: skip
        self.contexts: dict[int, Any] = deepcopy({1: BEGIN, 2: ONE, 7: TWO, 8: ONE, 9: THREE})
        self.row = {"version": 9, "state": "active", "epoch": 1, "checkpoint_count": 8}
        self.valkey: dict[str, Any] | None = copy(8, ONE, epoch=1)

    def change(self, version: int, **changes: Any) -> None:
        i = [entry.version for entry in self.history].index(version)
        self.history[i] = replace(self.history[i], **changes)

    def append(self, entry: RecordedEntry) -> None:
        self.history.append(entry)
        self.row |= {"version": entry.version, "state": entry.to_state, "epoch": entry.epoch}

    def fail(self, id: str, error: str, **changes: Any) -> None:
        self.calls[id] = replace(self.calls[id], error=error, copy=None, **changes)

    def add(self, call: Call) -> None:
        self.calls[call.id] = call

    def found(self, **wrong_counts: int) -> list[str]:
        record = StressRecord(
            SESSION, self.row, self.history, self.checkpoints, self.contexts, self.valkey
        )
        in_order = sorted(self.calls.values(), key=lambda call: call.start)
        return [violation.rule for violation in judge([record], in_order, wrong_counts)]

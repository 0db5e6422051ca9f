"""From rows of PostgreSQL to sessions, heads and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from agent_sessions.basic_errors import InvalidInput
from agent_sessions.models import AgentSession, Head, SessionCheckpoint
from agent_sessions.states import SessionState
from agent_sessions.stored_fields import STORED
from agent_sessions.write_commands import Written


def head_from_row(row: dict[str, Any]) -> Head:
    return Head(
        str(row["id"]),
        _state(row["state"]),
        row["version"],
        row["epoch"],
        row["order_version"],
        row["order_verb"],
        row["acknowledged_version"],
        row["timeline"],
    )


def written_from_row(row: dict[str, Any]) -> Written:
    return Written(
        head_from_row(row),
        row["checkpoint_count"],
        row["checkpoints_through"],
        row["context_version"],
    )


def checkpoint_from_row(row: dict[str, Any]) -> SessionCheckpoint:
    return SessionCheckpoint(
        row["name"], row["at"], row["data"], row["metadata"], f"{row['session_id']}:{row['n']}"
    )


def session_from_row(row: dict[str, Any], clock: Callable[[], datetime]) -> AgentSession:
    """A row that someone edited into nonsense by hand is still read: what cannot be shown is left out."""
    checkpoints = _checkpoints(row)
    count = row["checkpoint_count"]
    created = row["created_at"] or row["updated_at"] or clock()
    return AgentSession(
        session_id=str(row["id"]),
        agent_type=row["agent_type"],
        user_id=row["user_id"] or "",
        state=_state(row["state"]),
        created_at=created,
        last_heartbeat=row["last_heartbeat"] or created,
        context=row["context"] if isinstance(row["context"], dict) else {},
        metadata=row["metadata"] if isinstance(row["metadata"], dict) else {},
        checkpoints=checkpoints,
        clock=clock,
        changed_by=row["change_actor"],
        change_id=row["change_id"],
        **{name: row[name] for name in STORED if name not in _COMPUTED},
        checkpoint_count=len(checkpoints) if count is None else count,
        checkpoints_through=row["checkpoints_through"] or len(checkpoints),
    ).mark_clean()


_COMPUTED = ("changed_by", "checkpoint_count", "checkpoints_through")


def _state(stored: str | None) -> SessionState:
    try:
        return SessionState(stored or SessionState.ACTIVE)
    except ValueError:
        return SessionState.FAILED


def _checkpoints(row: dict[str, Any]) -> list[SessionCheckpoint]:
    """The array's checkpoints and the newer rows; an entry that is no checkpoint is passed over."""
    array = row["checkpoints"] if isinstance(row["checkpoints"], list) else []
    result = []
    for stored in [*array, *(row["newer"] or [])]:
        try:
            result.append(SessionCheckpoint.from_dict(stored))
        except InvalidInput:
            continue
    return result


def number(session: AgentSession, rows: list[dict[str, Any]]) -> None:
    numbers = {(row["name"], row["at"]): row["n"] for row in rows}
    for checkpoint in session.checkpoints:
        n = numbers.get((checkpoint.name, checkpoint.timestamp))
        if checkpoint.id is None and n is not None:
            checkpoint.id = f"{session.session_id}:{n}"
    # a checkpoint that an older agent put into the array may also be among the newer rows
    once = {checkpoint.n or -i: checkpoint for i, checkpoint in enumerate(session.checkpoints, 1)}
    session.checkpoints = sorted(once.values(), key=lambda c: c.n or 0)


def head_from_tuple(row: tuple[Any, ...]) -> Head:
    id, version, epoch, state, *rest = row
    return Head(id, _state(state), version, epoch, *rest)


def written_from_tuple(row: tuple[Any, ...]) -> Written:
    return Written(head_from_tuple(row[:8]), *row[8:])

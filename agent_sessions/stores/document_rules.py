"""What a write does to a record: the rules of write_sessions.sql, for a manager without PostgreSQL."""

from __future__ import annotations

import copy
import uuid
from datetime import datetime
from typing import Any

from agent_sessions.edits import Writer
from agent_sessions.errors import Conflict
from agent_sessions.models import AgentSession, SessionCheckpoint
from agent_sessions.states import FINAL_STATES, LIVE_STATES, SessionState
from agent_sessions.stores.document_backends import Record
from agent_sessions.write_commands import Author, Decide, Rejected, Write, require_same


def apply(record: Record, write: Write, now: datetime) -> None:
    """Raises Rejected when a guard does not hold."""
    session = record.session
    before = session.state
    if (
        (write.epoch is not None and write.epoch != session.epoch)
        or (write.context_seen is not None and write.context_seen != session.context_version)
        or before.value not in write.from_states
    ):
        raise Rejected
    session.version += 1
    session.epoch += write.raise_epoch
    session.changed_by = write.author.actor
    session.change_id = write.change_id
    _apply_parts(session, write)
    if write.verb == "rollback":
        session.failed_attempts = 0
    elif write.failed_attempts is not None:
        session.failed_attempts = write.failed_attempts
    _apply_state(session, write, now)
    if write.context is not None:
        record.past_contexts[session.context_version] = session.context
        session.context = copy.deepcopy(write.context)
        session.context_version = session.version
    if write.metadata is not None:
        session.metadata = copy.deepcopy(write.metadata)
    _apply_checkpoints(record, write)
    _apply_order(session, write, before, now)
    if write.by_agent:
        session.last_heartbeat = max(session.last_heartbeat, now)
        if write.kind not in ("acknowledged", "parts", "attempt"):
            session.last_progress = now
    record.history.append(entry(session, before, write.kind, write.author, now, write))


def _apply_parts(session: AgentSession, write: Write) -> None:
    moved = write.state not in (None, session.state)
    if moved or write.verb is not None or write.acknowledged is not None:
        session.parts = session.parts_at_work = None
    elif write.parts is not None:
        session.parts, session.parts_at_work = write.parts


def _apply_state(session: AgentSession, write: Write, now: datetime) -> None:
    if write.state == SessionState.DELETED:
        session.state_before_deletion = session.state.value
    elif write.verb == "restore":
        session.state_before_deletion = None
    if write.state is not None:
        session.state = write.state
        ended = write.state in FINAL_STATES
        session.ended_at = (session.ended_at or now) if ended else None


def _apply_checkpoints(record: Record, write: Write) -> None:
    session = record.session
    if write.compressed is not None:
        session.checkpoints = [SessionCheckpoint.from_dict(c) for c in write.compressed]
    for i, added in enumerate(write.added):
        stored = copy.deepcopy(added)
        session.checkpoint_count += 1
        stored.id = f"{session.session_id}:{session.checkpoint_count}"
        stored.stored = True
        context = write.added_contexts[i] if write.added_contexts else None
        record.checkpoints.append((stored, session.context_version if context is None else context))
        if write.compressed is None:
            session.checkpoints.append(stored)
    if write.compressed is not None:
        session.checkpoints_through = session.checkpoint_count


def _apply_order(session: AgentSession, write: Write, before: SessionState, now: datetime) -> None:
    if write.verb is not None:
        session.order_version = session.version
        session.order_verb = write.verb
        session.order_actor = write.author.actor
        session.order_reason = write.author.reason
        session.ordered_at = write.added[-1].timestamp if write.added else now
        session.order_checkpoint = write.order_checkpoint
        if before not in LIVE_STATES and session.state not in LIVE_STATES:
            session.acknowledged_version = session.version
    if write.acknowledged is not None and write.acknowledged > session.acknowledged_version:
        session.acknowledged_version = write.acknowledged
        session.acknowledged_at = now


def entry(
    session: AgentSession,
    before: SessionState | None,
    kind: str,
    author: Author,
    now: datetime,
    write: Write | None = None,
) -> dict[str, Any]:
    """A line of the record's history."""
    return {
        "version": session.version,
        "at": now.isoformat(),
        "kind": kind,
        "from_state": before.value if before else None,
        "to_state": session.state.value,
        "actor": author.actor,
        "reason": author.reason,
        "source": author.source,
        "paths": write.detail.get("paths") if write else None,
        "restored": bool(write.detail.get("context_restored")) if write else False,
        "request": write.detail.get("request") if write else None,
        "change_id": str(write.change_id) if write else None,
        "checkpoint_n": session.checkpoint_count if write and write.added else None,
    }


def find_change(record: Record, change_id: uuid.UUID, decide: Decide) -> dict[str, Any] | None:
    """The entry of a change that was stored. Raises RequestReused when the same id asked for something else."""
    done = next((e for e in record.history if e["change_id"] == str(change_id)), None)
    if done is not None:
        require_same(done, decide)
    return done


def require_seen(record: Record, seen_version: int | None) -> None:
    if seen_version is None:
        return
    if seen_version > record.session.version:
        raise Conflict(record.session, about="version")
    later = [e for e in record.history if e["version"] > seen_version]
    if any(e["kind"] == "order" or e["from_state"] != e["to_state"] for e in later):
        raise Conflict(record.session, about="state")


def changer(record: Record, error: Conflict) -> str | None:
    """Who decided what a conflict is about: the rules of find_changer.sql."""
    for entry in reversed(record.history):
        if _changed(entry, error):
            actor: str | None = entry["actor"]
            return actor
    return None


def _changed(entry: dict[str, Any], error: Conflict) -> bool:
    if error.about == "state":
        moved = entry["from_state"] not in (None, entry["to_state"])
        return entry["kind"] == "order" or moved
    paths, restored = entry.get("paths") or [], bool(entry.get("restored"))
    if error.about == "context":
        return restored or any(not path.startswith("metadata.") for path in paths)
    return any(_overlap(path, wanted) for path in paths for wanted in error.paths) or (
        restored and any(not wanted.startswith("metadata.") for wanted in error.paths)
    )


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def writers_since(record: Record, version: int) -> list[Writer]:
    """Those that say nothing about paths and changed no content are left out, as read_writers_since.sql does."""
    return [
        Writer(
            e["actor"],
            e["source"],
            datetime.fromisoformat(e["at"]),
            e.get("paths"),
            bool(e.get("restored")),
        )
        for e in reversed(record.history)
        if e["version"] > version
        and e["kind"]
        not in ("acknowledged", "parts", "refused", "taken_over", "handed_back", "attempt")
        and (e["kind"] != "order" or e.get("paths") or e.get("restored"))
    ]

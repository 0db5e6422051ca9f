"""Storing what an agent changed in its copy of a session, without losing what others changed meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from agent_sessions import validation
from agent_sessions.checkpoints import COMPRESS_AFTER, compress
from agent_sessions.errors import (
    Conflict,
    SessionEnded,
    SessionNotFound,
    StaleEpoch,
)
from agent_sessions.models import AgentSession, Head
from agent_sessions.operations import ANY_STATE, Decision, compressed
from agent_sessions.patch import diff, merge
from agent_sessions.postgres import PostgresStore
from agent_sessions.records import RecordStore
from agent_sessions.states import LIVE_STATES, SessionState, target
from agent_sessions.writes import Author, Rejected, Write, Written

_VERBS = {
    SessionState.ACTIVE: "resume",
    SessionState.PAUSED: "pause",
    SessionState.COMPLETED: "complete",
    SessionState.FAILED: "fail",
    SessionState.DELETED: "delete",
}


class Saving:
    def __init__(self, store: PostgresStore | RecordStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def save(self, session: AgentSession, author: Author) -> Head | None:
        """The head after the write; None when nothing but a heartbeat is to be told."""
        base = session.base or await self._base_of(session)
        context = session.context != base.context
        metadata = session.metadata != base.metadata
        state = session.state != base.state
        _check(session, context, metadata)
        if not (context or metadata or state or session.new_checkpoints):
            return None
        change_id = _change_id(session)
        try:
            if state or metadata:
                head = await self._save_carefully(session, base, author, change_id)
            else:
                head = await self._save_fast(session, base, author, change_id, context)
        except (StaleEpoch, SessionEnded) as error:
            await self._refuse(session, base, author, error)
            raise
        session.pending_change = None
        return head

    async def acknowledge(self, session_id: str, order_version: int, source: str) -> Head | None:
        """None when it was acknowledged before."""

        def decide(session: AgentSession) -> Write | None:
            if session.acknowledged_version >= order_version:
                return None
            return Write(
                session_id,
                "acknowledged",
                Author(session.agent_type, source),
                from_states=ANY_STATE,
                acknowledged=order_version,
                by_agent=session.state in LIVE_STATES,
                detail={"verb": session.order_verb, "order_version": order_version},
            )

        session = await self._store.transact(session_id, uuid.uuid4(), decide)
        return session.head

    async def _base_of(self, session: AgentSession) -> AgentSession:
        """A session that was built by hand is compared with what is stored under its id."""
        stored = await self._store.read(session.session_id)
        if stored is None:
            raise SessionNotFound(session.session_id)
        session.base = stored.stored().base or stored
        session.epoch = stored.epoch
        return session.base

    async def _save_fast(
        self,
        session: AgentSession,
        base: AgentSession,
        author: Author,
        change_id: uuid.UUID,
        context_changed: bool,
    ) -> Head:
        """Checkpoints and context: one guarded statement, shared with other sessions' writes."""
        added = tuple(session.new_checkpoints)
        changes = list(diff(base.context, session.context)) if context_changed else []
        write = Write(
            session.session_id,
            "checkpoint" if added else "context",
            author,
            change_id=change_id,
            epoch=base.epoch,
            context_seen=base.context_version if context_changed else None,
            context=session.context if context_changed else None,
            added=added,
            by_agent=True,
            detail={"paths": [c.name for c in changes[:50]]} if changes else {},
        )
        try:
            written = await self._store.write(write)
        except Rejected:
            return await self._save_carefully(session, base, author, change_id)
        _accept(session, base, written, context_changed)
        if written.checkpoint_count - written.checkpoints_through >= COMPRESS_AFTER:
            await self._refresh_array(session.session_id)
        return written.head

    async def _save_carefully(
        self, session: AgentSession, base: AgentSession, author: Author, change_id: uuid.UUID
    ) -> Head:
        """On the locked row: transitions, metadata, and whatever met a guard."""

        def decide(current: AgentSession) -> Write | None:
            return _decide(session, base, current, author)

        stored = await self._store.transact(
            session.session_id, change_id, Decision("", author, decide)
        )
        _adopt(session, stored)
        return stored.head

    async def _refresh_array(self, session_id: str) -> None:
        current = await self._store.read(session_id)
        if current is not None:
            array = [c.to_dict() for c in compress(current.checkpoints)]
            await self._store.refresh_array(current, array)

    async def _refuse(
        self, session: AgentSession, base: AgentSession, author: Author, error: Exception
    ) -> None:
        """The late write is counted, so that a page can show it."""
        wanted: dict[str, Any] = {"reason": type(error).__name__}
        if session.new_checkpoints:
            wanted["checkpoint"] = session.new_checkpoints[-1].name
        if session.state != base.state:
            wanted["state"] = session.state.value
        if session.context != base.context:
            wanted["paths"] = [c.name for c in diff(base.context, session.context)][:50]
        await self._store.refuse(session.session_id, author, {"refused": wanted})


def _change_id(session: AgentSession) -> uuid.UUID:
    """The same until it is stored: a caller who tries again after an unknown outcome writes once."""
    if session.pending_change is None:
        session.pending_change = uuid.uuid4()
    return session.pending_change


def _check(session: AgentSession, context: bool, metadata: bool) -> None:
    if context:
        validation.json_object(session.context, "context")
    if metadata:
        validation.json_object(session.metadata, "metadata")
    for checkpoint in session.new_checkpoints:
        validation.json_object(checkpoint.data, "the checkpoint's data", validation.MAX_DATA_BYTES)
        validation.json_object(checkpoint.metadata, "the checkpoint's metadata")


def _decide(
    session: AgentSession, base: AgentSession, current: AgentSession, author: Author
) -> Write | None:
    if current.epoch != base.epoch:
        raise StaleEpoch(session.session_id, current.order_verb, current.order_actor)
    to = _next_state(session, base, current)
    if to is None and current.state not in LIVE_STATES:
        raise SessionEnded(session.session_id, current.state.value)
    context, context_changes, conflicts = merge(base.context, session.context, current.context)
    metadata, metadata_changes, more = merge(base.metadata, session.metadata, current.metadata)
    if conflicts or more:
        names = [c.name for c in conflicts] + [f"metadata.{c.name}" for c in more]
        raise Conflict(current, names)
    added = tuple(session.new_checkpoints)
    kind = (
        "state" if to else "checkpoint" if added else "context" if context_changes else "metadata"
    )
    return Write(
        session.session_id,
        kind,
        author,
        from_states=(current.state.value,),
        state=to,
        context=context if context_changes else None,
        metadata=metadata if metadata_changes else None,
        added=added,
        compressed=compressed(current, added) if to else None,
        by_agent=True,
        detail={"paths": [c.name for c in context_changes[:50]]} if context_changes else {},
    )


def _next_state(
    session: AgentSession, base: AgentSession, current: AgentSession
) -> SessionState | None:
    """The transition the agent made in its copy, if it may still be made. None: no transition."""
    if session.state == base.state or session.state == current.state:
        return None
    if session.state in LIVE_STATES and current.order_version > base.order_version:
        raise Conflict(current, ["state"])
    return target(current.state, _VERBS[session.state])


def _accept(
    session: AgentSession, base: AgentSession, written: Written, context_changed: bool
) -> None:
    """After the fast way: everything here is stored; ids are known."""
    head = written.head
    first = written.checkpoint_count - len(session.new_checkpoints) + 1
    for n, checkpoint in enumerate(session.new_checkpoints, first):
        checkpoint.id = f"{session.session_id}:{n}"
    session.version = head.version
    session.state = head.state
    session.order_version, session.order_verb = head.order_version, head.order_verb
    session.acknowledged_version = head.acknowledged_version
    session.checkpoint_count = written.checkpoint_count
    session.checkpoints_through = written.checkpoints_through
    if context_changed:
        session.context_version = written.context_version
        session.stored()
        return
    for checkpoint in session.new_checkpoints:
        checkpoint.stored = True
    base.state = head.state
    base.order_version = head.order_version


def _adopt(session: AgentSession, stored: AgentSession) -> None:
    """After the careful way: the copy becomes what is stored, others' changes included."""
    for name, value in vars(stored).items():
        if name not in ("clock", "pending_change"):
            setattr(session, name, value)

"""What each verb of an operator writes, decided on the locked session. The one place for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agent_sessions import edits, validation
from agent_sessions.checkpoints import compress, effective
from agent_sessions.errors import (
    CheckpointNotFound,
    Conflict,
    EditConflict,
    InvalidInput,
    InvalidTransition,
)
from agent_sessions.models import AgentSession, SessionCheckpoint
from agent_sessions.states import (
    CHECKPOINT_NAMES,
    FINAL_STATES,
    SessionState,
    is_transition_checkpoint,
    target,
)
from agent_sessions.write_commands import Author, Write

AUTOMATIC = {"automatic": True}
ANY_STATE = tuple(state.value for state in SessionState)


class Transition:
    """Called with the locked session; says what to write, or None when it is so already.

    `wrote` tells afterwards whether there was anything to write.
    """

    def __init__(
        self,
        verb: str,
        author: Author,
        decide: Callable[[AgentSession], Write | None],
        body: object = None,
    ) -> None:
        asked = json.dumps([verb, author.actor, author.reason or "", body], sort_keys=True)
        # what a repeated request id must agree with
        self.request = hashlib.sha256(asked.encode()).hexdigest()[:16]
        self.wrote = False
        self._decide = decide

    def __call__(self, session: AgentSession) -> Write | None:
        write = self._decide(session)
        self.wrote = write is not None
        return write and write.replace(detail=write.detail | {"request": self.request})


def operator_transition(
    verb: str,
    author: Author,
    now: datetime,
    data: Callable[[AgentSession], dict[str, Any]],
    body: object = None,
) -> Transition:
    """pause, resume, complete, fail, delete."""

    def decide(session: AgentSession) -> Write | None:
        to = target(session.state, verb)
        if to is None:
            return None
        added = (SessionCheckpoint(CHECKPOINT_NAMES[verb], now, data(session)),)
        return Write(
            session.session_id,
            "order",
            author,
            from_states=(session.state.value,),
            state=to,
            added=added,
            compressed=compressed(session, added),
            raise_epoch=to in FINAL_STATES,
            verb=verb,
            detail={"verb": verb},
        )

    return Transition(verb, author, decide, body)


def restore(author: Author, now: datetime) -> Transition:
    def decide(session: AgentSession) -> Write:
        if session.state != SessionState.DELETED:
            raise InvalidTransition(current=session.state, verb="restore")
        before = _before_deletion(session)
        added = (SessionCheckpoint(CHECKPOINT_NAMES["restore"], now, {}),)
        return Write(
            session.session_id,
            "order",
            author,
            from_states=(SessionState.DELETED.value,),
            state=before,
            added=added,
            compressed=compressed(session, added),
            verb="restore",
            detail={"verb": "restore"},
        )

    return Transition("restore", author, decide)


def _before_deletion(session: AgentSession) -> SessionState:
    """A row edited by hand may not know it any more."""
    known = {state.value: state for state in SessionState if state != SessionState.DELETED}
    return known.get(session.state_before_deletion or "", SessionState.ACTIVE)


def rollback(
    author: Author,
    now: datetime,
    to: SessionCheckpoint,
    context_version: int | None,
    past_context: dict[str, Any] | None,
) -> Transition:
    """Back to `to` and to the context captured with it, where one was; what is left behind is marked first."""

    def decide(session: AgentSession) -> Write:
        state = target(session.state, "rollback") or session.state
        captured = context_version is not None
        changed = captured and context_version != session.context_version
        if changed and past_context is None:
            raise Conflict(session, ["context"], "context")
        added = _rollback_checkpoints(session, now, to, captured)
        return Write(
            session.session_id,
            "order",
            author,
            from_states=(session.state.value,),
            state=state,
            context=past_context if changed else None,
            added=added,
            added_contexts=(session.context_version, None),
            compressed=compressed(session, added),
            raise_epoch=True,
            verb="rollback",
            order_checkpoint=to.n,
            detail={
                "verb": "rollback",
                "to": to.n,
                "before": session.checkpoint_count + 1,
                "context_restored": captured,
            },
        )

    return Transition("rollback", author, decide, to.n)


def _rollback_checkpoints(
    session: AgentSession, now: datetime, to: SessionCheckpoint, captured: bool
) -> tuple[SessionCheckpoint, SessionCheckpoint]:
    """One that the rollback itself can be taken back to, and the mark of the rollback."""
    name = f"before rollback to {to.name}"[: validation.MAX_NAME]
    facts = {
        "checkpoint": to.id,
        "n": to.n,
        "name": to.name,
        "context_restored": captured,
        "previous_state": session.state.value,
    }
    return (
        SessionCheckpoint(name, now, {}, AUTOMATIC),
        SessionCheckpoint(CHECKPOINT_NAMES["rollback"], now, facts),
    )


@dataclass(frozen=True)
class RollbackPreview:
    """What a rollback would do. `after` equals `before` when no context was captured with the checkpoint."""

    checkpoint: SessionCheckpoint
    context_captured: bool
    before: dict[str, Any]
    after: dict[str, Any]
    later: list[SessionCheckpoint]
    """The first 1,000 checkpoints after the target."""
    later_count: int
    """All of them."""


def heartbeat_timeout(author: Author, now: datetime, max_age: timedelta) -> Transition:
    """Fail a session that is still silent when its row is locked; otherwise nothing."""
    reason = "heartbeat_timeout"

    def decide(session: AgentSession) -> Write | None:
        if session.state != SessionState.ACTIVE or session.last_heartbeat > now - max_age:
            return None
        silent = int((now - session.last_heartbeat).total_seconds())
        data = {"error": reason, "details": {"silent_seconds": silent}}
        added = (SessionCheckpoint(CHECKPOINT_NAMES["fail"], now, data),)
        return Write(
            session.session_id,
            "order",
            author,
            from_states=(SessionState.ACTIVE.value,),
            state=SessionState.FAILED,
            context=session.context | {"failure_reason": reason},
            added=added,
            compressed=compressed(session, added),
            raise_epoch=True,
            verb="fail",
            detail={"verb": "fail", "paths": ["failure_reason"]},
        )

    return Transition("fail", author, decide)


def edit(author: Author, wanted: Sequence[edits.Wanted], body: object) -> Transition:
    """An administrator's edit of context or metadata; refused when a path was changed since it was loaded."""

    def decide(session: AgentSession) -> Write | None:
        preview = edits.preview(session, wanted)
        if preview.conflicts or not preview.loaded_known:
            raise EditConflict(preview, preview.conflicts)
        paths = [path for part in preview.parts for path in part.paths]
        if not paths:
            return None
        for part in preview.parts:  # two that fit may not fit together
            validation.json_object(part.merged, part.part)
        context, metadata = preview.context, preview.metadata
        return Write(
            session.session_id,
            "edit",
            author,
            from_states=ANY_STATE,
            context=context.merged if context and context.paths else None,
            metadata=metadata.merged if metadata and metadata.paths else None,
            detail={"paths": paths[: edits.MAX_PATHS]},
        )

    return Transition("edit", author, decide, body)


def compressed(session: AgentSession, added: tuple[SessionCheckpoint, ...]) -> list[dict[str, Any]]:
    """The array column as it will be: what today's agents read."""
    for n, checkpoint in enumerate(added, session.checkpoint_count + 1):
        checkpoint.id = f"{session.session_id}:{n}"
    return [c.to_dict() for c in compress([*session.checkpoints, *added])]


def restart_point(checkpoints: list[SessionCheckpoint], n: int) -> SessionCheckpoint | None:
    """Where an agent starts again after a rollback to `n`: its own newest checkpoint that counted then."""
    return newest_own([c for c in checkpoints if c.n is not None and c.n <= n])


def newest_own(checkpoints: list[SessionCheckpoint]) -> SessionCheckpoint | None:
    """The newest of the agent's own work that counts."""
    own = (c for c in reversed(effective(checkpoints)) if not is_automatic(c))
    return next(own, None)


def rolled_back_to(checkpoints: list[SessionCheckpoint]) -> int | None:
    """The number that the last rollback led to, where the agent has done no work of its own since."""
    for checkpoint in reversed(checkpoints):
        if checkpoint.name == CHECKPOINT_NAMES["rollback"]:
            to = checkpoint.data.get("n")
            return to if isinstance(to, int) else None
        if not is_automatic(checkpoint):
            return None
    return None


def is_automatic(checkpoint: SessionCheckpoint) -> bool:
    """Written by a transition or a rollback, not by the agent's own work."""
    return is_transition_checkpoint(checkpoint.name) or bool(checkpoint.metadata.get("automatic"))


def checkpoint_number(session_id: str, checkpoint_id: str | int) -> int:
    """`"{session_id}:{n}"` or n. Raises CheckpointNotFound for one of another session."""
    text = str(checkpoint_id)
    owner, _, number = text.rpartition(":")
    if owner and owner != session_id:
        raise CheckpointNotFound(text)
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        said = f'{text[:60]!r} is no checkpoint id: "{session_id}:n" is needed'
        raise InvalidInput(said, "no_checkpoint_id", value=text[:60])
    return int(number)

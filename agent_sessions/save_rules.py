"""What a save writes, and how the result changes the copy, without access to a store."""

from __future__ import annotations

import uuid
from itertools import islice
from typing import Any

from agent_sessions import validation
from agent_sessions.change_set import ChangeSet
from agent_sessions.errors import Conflict, SessionEnded, StaleEpoch, TimelineChanged
from agent_sessions.json_merge import apply, become, copied, diff, merge, same
from agent_sessions.models import AgentSession
from agent_sessions.states import LIVE_STATES, SessionState, target, verbs_to
from agent_sessions.transitions import compressed
from agent_sessions.write_commands import AppendCheckpoint, Author, Transacted, Write, Written


def to_write(
    session: AgentSession, base: AgentSession, attempt: ChangeSet, author: Author
) -> Write | AppendCheckpoint:
    """The guarded write of checkpoints and context: stored only if epoch, state and context are as they were loaded."""
    context = None if attempt.context is base.context else attempt.context
    changes = [] if context is None else diff(base.context, context)
    paths = [change.name for change in islice(changes, 50)]
    if len(attempt.added) == 1:
        return AppendCheckpoint(
            session.session_id,
            author,
            attempt.change_id,
            base.timeline,
            base.epoch,
            session.version,
            attempt.added[0],
            attempt.data_text,
            attempt.metadata_text,
            context,
            attempt.context_text,
            base.context_version,
            paths,
        )
    return Write(
        session.session_id,
        "checkpoint" if attempt.added else "context",
        author,
        change_id=attempt.change_id,
        timeline=base.timeline,
        epoch=base.epoch,
        seen=session.version,
        context_seen=None if context is None else base.context_version,
        context=context,
        added=attempt.added,
        by_agent=True,
        detail={"paths": paths} if paths else {},
    )


def is_changed(session: AgentSession) -> bool:
    """Whether a save of the copy would write anything, or has to find out whether the last one was stored."""
    base = session.loaded
    return (
        base is None
        or session.attempt is not None
        or session.state != base.state
        or bool(session.new_checkpoints)
        or not same(session.context, base.context)
        or not same(session.metadata, base.metadata)
    )


def change_set_of(session: AgentSession, base: AgentSession) -> ChangeSet | None:
    """The encoded differences between copy and base; None if there are none. Raises InvalidInput.

    A repeated save keeps the id of the change, so that a write with an unknown outcome is stored once.
    """
    context, metadata, added = base.context, base.metadata, tuple(session.new_checkpoints)
    context_text = data_text = metadata_text = ""
    encode = session.encode
    if not same(session.context, base.context):
        context_text, plain = validation.encoded(session.context, "context", encode=encode)
        become(session.context, plain)
        context = copied(session.context)
    if not same(session.metadata, base.metadata):
        become(session.metadata, validation.encoded(session.metadata, "metadata", encode=encode)[1])
        metadata = copied(session.metadata)
    for checkpoint in added:
        data_text = checkpoint.validate(encode)
        metadata_text, plain = validation.encoded(
            checkpoint.metadata, "the checkpoint's metadata", encode=encode
        )
        become(checkpoint.metadata, plain)
    unchanged = context is base.context and metadata is base.metadata
    if unchanged and session.state == base.state and not added:
        return None
    change_id = session.attempt.change_id if session.attempt else uuid.uuid4()
    return ChangeSet(
        change_id, session.state, context, metadata, added, context_text, data_text, metadata_text
    )


def is_append(attempt: ChangeSet, base: AgentSession) -> bool:
    """Whether only checkpoints and context changed, which needs no decision on the locked row."""
    return attempt.state == base.state and attempt.metadata is base.metadata


def rebase(
    attempt: ChangeSet, base: AgentSession, current: AgentSession, author: Author
) -> Write | None:
    if current.timeline != base.timeline:
        raise TimelineChanged(current.session_id)
    if current.epoch != base.epoch:
        raise _overtaken(base, current)
    to = _next_state(attempt, base, current)
    if to is None and current.state not in LIVE_STATES:
        raise SessionEnded(current.session_id, current.state.value)
    context, context_changes, conflicts = merge(base.context, attempt.context, current.context)
    metadata, metadata_changes, more = merge(base.metadata, attempt.metadata, current.metadata)
    if conflicts or more:
        names = [c.name for c in conflicts] + [f"metadata.{c.name}" for c in more]
        raise Conflict(current, names)
    paths = [c.name for c in context_changes] + [f"metadata.{c.name}" for c in metadata_changes]
    kind = "checkpoint" if attempt.added else "context" if context_changes else "metadata"
    return Write(
        current.session_id,
        "state" if to else kind,
        author,
        from_states=(current.state.value,),
        state=to,
        context=context if context_changes else None,
        metadata=metadata if metadata_changes else None,
        added=attempt.added,
        compressed=compressed(current, attempt.added) if to else None,
        by_agent=True,
        detail={"paths": paths[:50]} if paths else {},
    )


def _overtaken(base: AgentSession, current: AgentSession) -> StaleEpoch:
    if current.order_version == base.order_version:
        return StaleEpoch.of_owner(current.session_id, current.owner_name)
    return StaleEpoch(current.session_id, current.order_verb, current.order_actor)


def _next_state(
    attempt: ChangeSet, base: AgentSession, current: AgentSession
) -> SessionState | None:
    """The transition the agent made in its copy, if it may still be made. None: no transition."""
    if attempt.state == base.state or attempt.state == current.state:
        return None
    if attempt.state in LIVE_STATES and current.order_version > base.order_version:
        raise Conflict(current, ["state"], "state")
    return target(current.state, verbs_to(attempt.state)[0])


def apply_ack(
    session: AgentSession, base: AgentSession, attempt: ChangeSet, written: Written
) -> None:
    """Marks the attempt as stored after a guarded write; later changes stay to be written."""
    head = written.head
    if head.epoch != base.epoch:
        _stay(session, base, attempt)
        return
    _number(session, attempt, written.checkpoint_count)
    if session.state == attempt.state:
        session.state = head.state
    # What others changed in the context is not in this copy, so that its version stays that of the context it holds.
    if attempt.context is not base.context or written.context_version == base.context_version:
        session.version = head.version
    session.order_version, session.order_verb = head.order_version, head.order_verb
    session.acknowledged_version = head.acknowledged_version
    session.checkpoint_count = written.checkpoint_count
    session.checkpoints_through = written.checkpoints_through
    if attempt.context is not base.context:
        base.context = attempt.context
        session.context_version = base.context_version = written.context_version
    base.state = head.state
    base.order_version = head.order_version


def apply_stored(
    session: AgentSession, base: AgentSession, attempt: ChangeSet, transacted: Transacted
) -> None:
    """After a write on the locked row the copy becomes what is stored, others' changes included.

    Changes made here during the write stay, to be written next. The dicts stay the same objects,
    because an agent may hold references to them.
    """
    stored = transacted.session
    if stored.epoch != base.epoch:
        _stay(session, base, attempt)
        return
    _number(session, attempt, transacted.newest_of_change)
    _become(session, attempt, stored)
    own = {c.id: c for c in attempt.added if c.id}
    session.checkpoints = [own.get(c.id or "", c) for c in session.checkpoints]


def _stay(session: AgentSession, base: AgentSession, attempt: ChangeSet) -> None:
    """The write was stored, and an order or take-over followed: the epoch stays, so that the next safe point raises."""
    base.context, base.metadata, base.state = attempt.context, attempt.metadata, attempt.state
    _number(session, attempt, None)


def renew(session: AgentSession, base: AgentSession, stored: AgentSession) -> None:
    """Updates the copy from the store without a write; changes made here stay to be written.

    State, order and versions are updated together: otherwise the next write would request a transition that the agent
    never made. The copy of a session that was rolled back, was taken over or has ended is left as it is.
    """
    same = stored.epoch == base.epoch and stored.timeline == base.timeline
    if same and stored.state in LIVE_STATES:
        _become(session, base, stored)


def _become(session: AgentSession, known: AgentSession | ChangeSet, stored: AgentSession) -> None:
    """`known` is what the copy held before its changes that are still to be written."""
    late = session.new_checkpoints
    state = stored.state if session.state == known.state else session.state
    seen = session.version, session.context_version
    for name, value in vars(stored).items():
        if name not in (
            "clock",
            "encode",
            "attempt",
            "save_lock",
            "lease",
            "state",
            "context",
            "metadata",
        ):
            setattr(session, name, value)
    session.state = state
    session.checkpoints = [*stored.checkpoints, *late]
    base = stored.loaded or stored
    if not _take_over(session.metadata, known.metadata, stored.metadata):
        base.metadata = known.metadata
    if not _take_over(session.context, known.context, stored.context):
        base.context = known.context
        session.version, session.context_version = seen
        base.version, base.context_version = seen


def _take_over(mine: dict[str, Any], known: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Without effect and False if both changed the same path: the next write then raises Conflict."""
    merged, _, conflicts = merge(known, mine, theirs)
    if conflicts:
        return False
    apply(mine, diff(mine, merged))
    return True


def _number(session: AgentSession, attempt: ChangeSet, count: int | None) -> None:
    """Marks the attempt's checkpoints as stored; the last one has number `count`, if known."""
    for i, checkpoint in enumerate(attempt.added, 1):
        if count is not None:
            checkpoint.id = f"{session.session_id}:{count - len(attempt.added) + i}"
        checkpoint.stored = True
        checkpoint.validated = None

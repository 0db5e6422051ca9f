"""Storing what an agent changed in its copy of a session, without losing what others changed meanwhile."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from itertools import islice
from typing import Any

from agent_sessions import validation
from agent_sessions.errors import (
    Conflict,
    SessionEnded,
    SessionNotFound,
    StaleEpoch,
    StorageUnavailable,
    WriteRefused,
)
from agent_sessions.knowledge import Knowledge
from agent_sessions.models import AgentSession, Attempt, Head, copied
from agent_sessions.operations import ANY_STATE, compressed
from agent_sessions.patch import apply, diff, merge
from agent_sessions.postgres import PostgresStore
from agent_sessions.records import RecordStore
from agent_sessions.states import LIVE_STATES, SessionState, target
from agent_sessions.writes import Append, Author, Rejected, Write, Written

_VERBS = {
    SessionState.ACTIVE: "resume",
    SessionState.PAUSED: "pause",
    SessionState.COMPLETED: "complete",
    SessionState.FAILED: "fail",
    SessionState.DELETED: "delete",
}


# The array that today's agents read is written anew, as a whole, when it lacks so many.
ARRAY_BEHIND = 100


class Saving:
    def __init__(
        self,
        store: PostgresStore | RecordStore,
        knowledge: Knowledge,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._knowledge = knowledge
        self._clock = clock
        self._on_their_way: set[asyncio.Task[bool]] = set()

    async def save(self, session: AgentSession, author: Author) -> bool:
        """Store what changed and tell of it; False when nothing but a heartbeat is to be told.

        The write goes on when its caller is cancelled: the copy must learn whether it was stored.
        """
        sent = self._send(session, author)
        if sent is None:
            return await asyncio.shield(self._task(self._in_turn(session, author)))
        written = await sent
        if written is not None and _is_behind(written):
            await self._store.refresh_array(session.session_id)
        return True

    async def close(self) -> None:
        """Wait for what is on its way."""
        await self._store.close()
        while self._on_their_way:
            await asyncio.gather(*self._on_their_way, return_exceptions=True)

    def _send(self, session: AgentSession, author: Author) -> asyncio.Future[Written | None] | None:
        """Checkpoints and context without a task of their own; None when that is not what is to be saved."""
        base, store = session.base, self._store
        if base is None or session.attempt is not None or not isinstance(store, PostgresStore):
            return None
        if not session.turn.take():
            return None
        attempt = None
        try:
            attempt = _attempt(session, base)
        finally:
            if attempt is None:
                session.turn.release()
        if attempt is None:
            return None
        if not attempt.is_fast(base):
            session.turn.release()
            return None
        return self._set_out(store, session, base, attempt, author)

    def _set_out(
        self,
        store: PostgresStore,
        session: AgentSession,
        base: AgentSession,
        attempt: Attempt,
        author: Author,
    ) -> asyncio.Future[Written | None]:
        """Has the turn until the answer is there, whatever becomes of the caller."""
        future: asyncio.Future[Written | None] = asyncio.get_running_loop().create_future()

        def stored(written: Written) -> None:
            session.attempt = None
            _accept(session, base, attempt, written)
            session.turn.release()
            self._knowledge.tell_soon(written.head, lambda: _pass_on(future, written))

        def refused(error: BaseException) -> None:
            if isinstance(error, Rejected):
                saving = self._task(self._after_a_guard(session, base, attempt, author))
                saving.add_done_callback(lambda task: _pass_on(future, task))
                return
            if isinstance(error, Exception) and not isinstance(error, StorageUnavailable):
                session.attempt = None
            session.turn.release()
            _pass_on(future, error)

        session.attempt = attempt
        store.send(_guarded(session, base, attempt, author), stored, refused)
        return future

    def _task(self, saving: Coroutine[Any, Any, bool]) -> asyncio.Task[bool]:
        task = asyncio.create_task(saving)
        self._on_their_way.add(task)
        task.add_done_callback(self._arrived)
        return task

    def _arrived(self, task: asyncio.Task[bool]) -> None:
        self._on_their_way.discard(task)
        if not task.cancelled():
            task.exception()  # its caller, where there still is one, has it

    async def _in_turn(self, session: AgentSession, author: Author) -> bool:
        """Tasks that share one copy save one after the other, each what was there when its turn came."""
        async with session.turn:
            base = session.base or await self._base_of(session)
            if session.attempt is not None:
                await self._find_out(session, base, session.attempt)
                base = session.base or base
            attempt = _attempt(session, base)
            if attempt is None:
                return False
            session.attempt = attempt
            writing = self._write(session, base, attempt, author)
            head = await self._end(session, base, attempt, author, writing)
        await self._knowledge.tell(head)
        return True

    async def _end(
        self,
        session: AgentSession,
        base: AgentSession,
        attempt: Attempt,
        author: Author,
        writing: Awaitable[Head],
    ) -> Head:
        try:
            head = await writing
        except StorageUnavailable:
            raise  # the attempt is kept: its outcome is not known
        except Exception as error:
            session.attempt = None
            if isinstance(error, WriteRefused):
                await self._refuse(session, base, author, error)
            raise
        session.attempt = None
        return head

    async def _after_a_guard(
        self, session: AgentSession, base: AgentSession, attempt: Attempt, author: Author
    ) -> bool:
        try:
            writing = self._save_carefully(session, base, attempt, author)
            head = await self._end(session, base, attempt, author, writing)
        finally:
            session.turn.release()
        await self._knowledge.tell(head)
        return True

    async def _write(
        self, session: AgentSession, base: AgentSession, attempt: Attempt, author: Author
    ) -> Head:
        save = self._save_fast if attempt.is_fast(base) else self._save_carefully
        return await save(session, base, attempt, author)

    async def _find_out(self, session: AgentSession, base: AgentSession, attempt: Attempt) -> None:
        """Was the write stored whose answer was lost? Then only what was changed since is still to be written."""
        missing: list[AgentSession] = []
        stored = await self._store.transact(session.session_id, attempt.change_id, missing.append)
        if not missing:
            session.attempt = None
            _adopt(session, base, attempt, stored)

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
        self, session: AgentSession, base: AgentSession, attempt: Attempt, author: Author
    ) -> Head:
        """Checkpoints and context: one guarded statement, shared with other sessions' writes."""
        try:
            written = await self._store.write(_guarded(session, base, attempt, author))
        except Rejected:
            return await self._save_carefully(session, base, attempt, author)
        _accept(session, base, attempt, written)
        if _is_behind(written):
            await self._store.refresh_array(session.session_id)
        return written.head

    async def _save_carefully(
        self, session: AgentSession, base: AgentSession, attempt: Attempt, author: Author
    ) -> Head:
        """On the locked row: transitions, metadata, and whatever met a guard."""

        def decide(current: AgentSession) -> Write | None:
            return _decide(attempt, base, current, author)

        stored = await self._store.transact(session.session_id, attempt.change_id, decide)
        _adopt(session, base, attempt, stored)
        return stored.head

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


def _pass_on(
    future: asyncio.Future[Written | None],
    result: Written | BaseException | asyncio.Task[bool],
) -> None:
    """To the caller, where there still is one."""
    if future.done():
        return
    error = result.exception() if isinstance(result, asyncio.Task) else result
    if isinstance(error, BaseException):
        future.set_exception(error)
    else:
        future.set_result(error)


def _is_behind(written: Written) -> bool:
    return written.checkpoint_count - written.checkpoints_through >= ARRAY_BEHIND


def _guarded(
    session: AgentSession, base: AgentSession, attempt: Attempt, author: Author
) -> Write | Append:
    """Checkpoints and context, as long as nobody else changed epoch, state or context."""
    context = None if attempt.context is base.context else attempt.context
    changes = [] if context is None else diff(base.context, context)
    paths = [change.name for change in islice(changes, 50)]
    if len(attempt.added) == 1:
        return Append(
            session.session_id,
            author,
            attempt.change_id,
            base.epoch,
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
        epoch=base.epoch,
        context_seen=None if context is None else base.context_version,
        context=context,
        added=attempt.added,
        by_agent=True,
        detail={"paths": paths} if paths else {},
    )


def _attempt(session: AgentSession, base: AgentSession) -> Attempt | None:
    """What is to be written, as it is now. None when nothing was changed. Raises InvalidInput.

    Keeps the id of a write that was not stored: a caller who tries again after an unknown outcome writes once.
    """
    context, metadata, added = base.context, base.metadata, tuple(session.new_checkpoints)
    context_text = data_text = metadata_text = ""
    if session.context != base.context:
        context_text = validation.json_object(session.context, "context")
        context = copied(session.context)
    if session.metadata != base.metadata:
        validation.json_object(session.metadata, "metadata")
        metadata = copied(session.metadata)
    for checkpoint in added:
        data_text = validation.json_object(
            checkpoint.data, "the checkpoint's data", validation.MAX_DATA_BYTES
        )
        if checkpoint.metadata != {}:
            metadata_text = validation.json_object(checkpoint.metadata, "the checkpoint's metadata")
    unchanged = context is base.context and metadata is base.metadata
    if unchanged and session.state == base.state and not added:
        return None
    change_id = session.attempt.change_id if session.attempt else uuid.uuid4()
    return Attempt(
        change_id, session.state, context, metadata, added, context_text, data_text, metadata_text
    )


def _decide(
    attempt: Attempt, base: AgentSession, current: AgentSession, author: Author
) -> Write | None:
    if current.epoch != base.epoch:
        raise StaleEpoch(current.session_id, current.order_verb, current.order_actor)
    to = _next_state(attempt, base, current)
    if to is None and current.state not in LIVE_STATES:
        raise SessionEnded(current.session_id, current.state.value)
    context, context_changes, conflicts = merge(base.context, attempt.context, current.context)
    metadata, metadata_changes, more = merge(base.metadata, attempt.metadata, current.metadata)
    if conflicts or more:
        names = [c.name for c in conflicts] + [f"metadata.{c.name}" for c in more]
        raise Conflict(current, names)
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
        detail={"paths": [c.name for c in context_changes[:50]]} if context_changes else {},
    )


def _next_state(attempt: Attempt, base: AgentSession, current: AgentSession) -> SessionState | None:
    """The transition the agent made in its copy, if it may still be made. None: no transition."""
    if attempt.state == base.state or attempt.state == current.state:
        return None
    if attempt.state in LIVE_STATES and current.order_version > base.order_version:
        raise Conflict(current, ["state"])
    return target(current.state, _VERBS[attempt.state])


def _accept(session: AgentSession, base: AgentSession, attempt: Attempt, written: Written) -> None:
    """After the fast way: what was attempted is stored; what was changed here meanwhile is not."""
    head = written.head
    _number(session, attempt, written.checkpoint_count)
    if session.state == attempt.state:
        session.state = head.state
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


def _adopt(
    session: AgentSession, base: AgentSession, attempt: Attempt, stored: AgentSession
) -> None:
    """After the careful way: the copy becomes what is stored, others' changes included.

    What was changed here while the write was on its way stays, and is written next. The dicts stay the same
    objects: an agent may hold on to them.
    """
    if stored.epoch != base.epoch:
        # ordered since then: the copy stays what it was, so that the agent hears of it
        base.context, base.metadata, base.state = attempt.context, attempt.metadata, attempt.state
        _number(session, attempt, None)
        return
    _number(session, attempt, stored.checkpoint_count)
    late = session.new_checkpoints
    state = stored.state if session.state == attempt.state else session.state
    kept = {"context": attempt.context, "metadata": attempt.metadata}
    for name, value in vars(stored).items():
        if name in kept:
            mine = getattr(session, name)
            changed_since = list(diff(kept[name], mine))
            apply(mine, diff(mine, value))
            apply(mine, changed_since)
        elif name not in ("clock", "attempt", "turn", "state"):
            setattr(session, name, value)
    session.state = state
    own = {c.id: c for c in attempt.added if c.id}
    session.checkpoints = [own.get(c.id, c) if c.id else c for c in stored.checkpoints] + late


def _number(session: AgentSession, attempt: Attempt, count: int | None) -> None:
    """The attempt's checkpoints are stored: as the newest of `count`, if that is known."""
    for i, checkpoint in enumerate(attempt.added, 1):
        if count is not None:
            checkpoint.id = f"{session.session_id}:{count - len(attempt.added) + i}"
        checkpoint.stored = True

"""The loop an agent lives in: beats in the background, safe points at which it obeys."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from agent_sessions import tasks, validation
from agent_sessions.checkpoints import effective
from agent_sessions.errors import (
    Completed,
    Deleted,
    Failed,
    InvalidTransition,
    OrderReceived,
    RolledBack,
    SessionNotFound,
    StorageUnavailable,
    WriteRefused,
)
from agent_sessions.leaving import leave
from agent_sessions.models import AgentSession, Head, SessionCheckpoint
from agent_sessions.operations import is_automatic
from agent_sessions.states import CHECKPOINT_NAMES, LIVE_STATES, SessionState

if TYPE_CHECKING:
    from agent_sessions.knowledge import Knowledge
    from agent_sessions.manager import SessionManager

logger = logging.getLogger(__name__)

_ENDS: dict[SessionState, type[OrderReceived]] = {
    SessionState.FAILED: Failed,
    SessionState.COMPLETED: Completed,
    SessionState.DELETED: Deleted,
}


class Run:
    """One agent at work on one session. Made by `SessionManager.attach`."""

    def __init__(self, manager: SessionManager, session: AgentSession, interval: float) -> None:
        self.session = session
        self.restarted_from: SessionCheckpoint | None = None
        self.order: OrderReceived | None = None  # that ended the work of this run
        self._manager = manager
        self._interval = interval
        self._news = (
            0  # how often something was heard, so that no task misses what another one reacts to
        )
        self._waiting: set[asyncio.Future[None]] = set()
        self._counting: list[SessionCheckpoint] = []
        self._known_through = 0
        self._seen: Head | None = None
        self._unanswered: list[
            SessionCheckpoint
        ] = []  # their callers do not know that they are stored

    @property
    def context(self) -> dict[str, Any]:
        """Change it in place; the next checkpoint or `save` stores it."""
        return self.session.context

    def last_checkpoint(self, name: str | None = None) -> SessionCheckpoint | None:
        """The newest that still counts: what a rollback took back is passed over."""
        since = [c for c in self.session.checkpoints if c.n is None or c.n > self._known_through]
        for checkpoint in reversed([*self._counting, *since]):
            if checkpoint.name == name or (name is None and not is_automatic(checkpoint)):
                return checkpoint
        return None

    async def checkpoint(
        self,
        name: str,
        data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> SessionCheckpoint:
        """Store a checkpoint with the context as it is now; then a safe point.

        Waits while paused. Raises RolledBack, Failed, Completed or Deleted when an administrator ordered that,
        StorageUnavailable when it is not stored (calling again with the same values stores it once).
        """
        metadata = {} if metadata is None else metadata
        validation.json_object(metadata, "the checkpoint's metadata", validation.MAX_DATA_BYTES)
        made = self._sent_before(name, data or {}) or self.session.checkpoint(name, data)
        made.metadata = copy.deepcopy(metadata)
        try:
            await self._store()
            await self._obey()
        except (StorageUnavailable, asyncio.CancelledError):
            self._unanswered.append(made)
            raise
        except Exception:
            self.discard(made)
            raise
        return made

    def _sent_before(self, name: str, data: dict[str, Any]) -> SessionCheckpoint | None:
        for made in self._unanswered:
            if (made.name, made.data) == (name, data):
                self._unanswered.remove(made)
                return made
        return None

    def discard(self, made: SessionCheckpoint) -> None:
        if not made.stored:
            self.session.checkpoints = [c for c in self.session.checkpoints if c is not made]

    async def save(self) -> None:
        """Store the context and whatever else changed in `session`; then a safe point."""
        await self._store()
        await self._obey()

    async def _store(self) -> None:
        try:
            await self._manager.update_session(self.session)
        except (WriteRefused, InvalidTransition) as refusal:
            # Asked of the record: word of the order may not have come here.
            order = await self.order_of_the_record()
            if order is None:
                raise
            raise order from refusal

    async def safe_point(self) -> None:
        """Obey what was ordered: wait while paused, raise when rolled back, ended or deleted."""
        await self._obey()

    async def complete(self, result: Any = None) -> None:
        """The work has ended; nothing more is written after this."""
        await self._end(lambda: self.session.complete(result))

    async def fail(self, error: str, error_details: Any = None) -> None:
        await self._end(lambda: self.session.fail(error, error_details))

    async def _end(self, transition: Any) -> None:
        known = list(self.session.checkpoints)
        transition()
        made = [c for c in self.session.checkpoints if not any(c is k for k in known)]
        try:
            await self._store()
        except (StorageUnavailable, asyncio.CancelledError):
            raise
        except Exception:
            if self.session.base is not None:  # which another task's write may have moved meanwhile
                self.session.state = self.session.base.state
            for checkpoint in made:
                self.discard(checkpoint)
            raise

    def notice(self, head: Head | None) -> None:
        """This is how the session is now; None when that has to be found out."""
        if head is None or head != self._seen:
            self._wake()

    def _wake(self) -> None:
        self._news += 1
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def _more_news(self, known: int) -> None:
        if self._news != known:
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    async def _obey(self) -> None:
        waited = False
        while True:
            known = self._news
            head = await self._manager.head(self.session.session_id)
            if head != self._seen:
                self._seen = head
                self._wake()
            if self._is_over(head):
                raise await self._order_received(await self._record())
            await self._acknowledge(head)
            if head.state == SessionState.PAUSED:
                waited = True
                await self._more_news(known)
            elif waited or self._is_behind(head):
                # whatever was changed meanwhile is what the agent goes on with
                await self._manager.renew(self.session)
                waited = False
            else:
                return

    def _is_behind(self, head: Head) -> bool:
        base = self.session.base
        return base is not None and (
            base.state != head.state or base.order_version != head.order_version
        )

    async def _acknowledge(self, head: Head) -> None:
        if head.order_open:
            await self._manager.acknowledge(head.session_id, head.order_version)

    def _is_over(self, head: Head) -> bool:
        return head.epoch != self.session.epoch or head.state not in LIVE_STATES

    async def order_heard(self) -> OrderReceived | None:
        """The order that ended this work, as far as it was heard of."""
        head = await self._manager.head(self.session.session_id)
        return await self._order_received(await self._record()) if self._is_over(head) else None

    async def order_of_the_record(self) -> OrderReceived | None:
        session = await self._record()
        return await self._order_received(session) if self._is_over(session.head) else None

    async def _record(self) -> AgentSession:
        session = await self._manager.read(self.session.session_id)
        if session is None:
            raise SessionNotFound(self.session.session_id)
        return session

    async def _order_received(self, session: AgentSession) -> OrderReceived:
        end = _ENDS.get(session.state)
        if end is not None:
            self.order = end(session)
        else:
            self.order = RolledBack(session, await self._manager.restart_point(session))
        await self._acknowledge(session.head)
        return self.order

    async def enter(self) -> None:
        """Where the work stands: an ended session raises at once, a paused one waits here."""
        if self.session.state not in LIVE_STATES:
            raise _ENDS[self.session.state](self.session)
        self._counting = await self._what_counts()
        self._known_through = self.session.checkpoint_count
        if _just_rolled_back(self.session):
            self.restarted_from = await self._manager.restart_point(self.session)
        await self._obey()

    async def _what_counts(self) -> list[SessionCheckpoint]:
        """Once rolled back, what counts may be among what was compressed away: of each name the newest is found."""
        shown = self.session.checkpoints
        rolled_back = any(c.name == CHECKPOINT_NAMES["rollback"] for c in shown)
        if not rolled_back or len(shown) >= self.session.checkpoint_count:
            return effective(shown)
        known: list[SessionCheckpoint] = []
        while page := await self._manager.get_checkpoints(
            self.session.session_id, after=known[-1].n or 0 if known else 0, limit=1000
        ):
            known += page
        newest = {c.name: c for c in effective(known)}
        return sorted(newest.values(), key=lambda c: c.n or 0)

    async def beat(self) -> None:
        """Beat until cancelled. The answer brings orders that Valkey could not bring."""
        while True:
            try:
                await self.tick()
            except Exception:
                logger.exception("a heartbeat of %s failed", self.session.session_id)
            await asyncio.sleep(self._interval)

    async def tick(self) -> None:
        try:
            self.notice(await self._manager.heartbeat(self.session.session_id))
        except StorageUnavailable as error:
            logger.warning("no heartbeat for %s: %s", self.session.session_id, error)


def _just_rolled_back(session: AgentSession) -> bool:
    """No work of the agent's own since the last rollback."""
    for checkpoint in reversed(session.checkpoints):
        if checkpoint.name == "session_rolled_back":
            return True
        if not is_automatic(checkpoint):
            return False
    return False


@asynccontextmanager
async def attach(
    manager: SessionManager,
    knowledge: Knowledge,
    session_id: str,
    interval: float,
    complete: bool,
) -> AsyncIterator[Run]:
    """Raises SessionNotFound, and Failed, Completed or Deleted when the session has ended."""
    session = await manager.read(session_id)
    if session is None:
        raise SessionNotFound(session_id)
    run = Run(manager, session, interval)
    knowledge.register(run)
    beats = asyncio.create_task(run.beat(), name=f"beats of {session_id}")
    try:
        await run.enter()
        try:
            yield run
        except BaseException as error:
            await leave(run, error, complete)
            raise
        await leave(run, None, complete)
    finally:
        await tasks.end(beats)
        knowledge.unregister(run)

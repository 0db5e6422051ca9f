"""The loop of an agent: heartbeats in the background, safe points at which orders are obeyed."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agent_sessions import save_rules, validation
from agent_sessions.checkpoints import effective
from agent_sessions.errors import (
    InvalidTransition,
    SessionNotFound,
    StorageUnavailable,
    TakenOver,
    WriteRefused,
)
from agent_sessions.lease_owner import Lease
from agent_sessions.manager_protocol import RunManager
from agent_sessions.models import AgentSession, SessionCheckpoint
from agent_sessions.order_handling import SafePoints
from agent_sessions.states import CHECKPOINT_NAMES
from agent_sessions.transitions import is_automatic, rolled_back_to

logger = logging.getLogger(__name__)


class Run(SafePoints):
    """One agent at work on one session. Created by `SessionManager.attach`."""

    def __init__(
        self, manager: RunManager, session: AgentSession, lease: Lease, interval: float
    ) -> None:
        super().__init__(manager, session, lease, _CALLS)
        self.restarted_from: SessionCheckpoint | None = None
        self._interval = interval
        self._counting: list[SessionCheckpoint] = []
        self._known_through = 0
        # Checkpoints whose caller got no answer; they may be stored.
        self._unanswered: list[SessionCheckpoint] = []

    @property
    def context(self) -> dict[str, Any]:
        """Change it in place; the next checkpoint or `save` stores it."""
        return self.session.context

    def last_checkpoint(self, name: str | None = None) -> SessionCheckpoint | None:
        """The newest that counts, without those that a rollback discarded."""
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
        _, metadata = self._encoded(
            {} if metadata is None else metadata, "the checkpoint's metadata"
        )
        made = self._sent_before(name, data or {}) or self.session.checkpoint(name, data)
        made.metadata = copy.deepcopy(metadata)
        try:
            await self._store()
            await self._apply_orders()
        except (StorageUnavailable, asyncio.CancelledError):
            self._unanswered.append(made)
            raise
        except Exception:
            self.discard(made)
            raise
        return made

    def _encoded(self, value: dict[str, Any], what: str) -> tuple[str, dict[str, Any]]:
        return validation.encoded(value, what, validation.MAX_DATA_BYTES, self.session.encode)

    def _sent_before(self, name: str, data: dict[str, Any]) -> SessionCheckpoint | None:
        if self._unanswered:
            _, data = self._encoded(data, "the checkpoint's data")
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
        await self._apply_orders()

    async def _store(self) -> None:
        self._require_inside()
        try:
            await self._manager.update_session(self.session)
        except (WriteRefused, InvalidTransition) as refusal:
            # From the record: the announcement of the order may not have come to this process.
            order = await self.stored_order()
            if order is None:
                raise
            raise order from refusal

    async def store_changes(self) -> None:
        """Stores what is unsaved, if anything, without a safe point: for the end of the block."""
        if save_rules.is_changed(self.session):
            await self._store()

    async def safe_point(self) -> None:
        """Obeys orders: waits while paused, raises when rolled back, ended or deleted."""
        await self._apply_orders()

    async def complete(self, result: Any = None) -> None:
        """End the session as completed. `result` is stored with the checkpoint; nothing is written after this."""
        await self._end(lambda: self.session.complete(result))

    async def fail(self, error: str, error_details: Any = None) -> None:
        """End the session as failed, with the error and JSON details; nothing is written after this."""
        await self._end(lambda: self.session.fail(error, error_details))

    async def _end(self, transition: Any) -> None:
        self._require_inside()
        known = list(self.session.checkpoints)
        transition()
        made = [c for c in self.session.checkpoints if not any(c is k for k in known)]
        try:
            await self._store()
        except (StorageUnavailable, asyncio.CancelledError):
            raise
        except Exception:
            if (
                self.session.loaded is not None
            ):  # which another task's write may have moved meanwhile
                self.session.state = self.session.loaded.state
            for checkpoint in made:
                self.discard(checkpoint)
            raise

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """The block counts as work: a pause is not confirmed before a safe point in it or its end.

        For work that calls the run from nowhere: a thread, a framework's graph, a task's first minutes. May be nested.
        """
        validation.text(name, "the step's name", validation.MAX_NAME, required=True)
        task = self.parts.begin_step()
        try:
            yield
        finally:
            self.parts.end_step(task)

    async def enter(self) -> None:
        """Determines where to start. Raises if the session has ended, waits while it is paused."""
        self.raise_if_ended()
        self._counting = await self._effective_checkpoints()
        self._known_through = self.session.checkpoint_count
        if rolled_back_to(self.session.checkpoints) is not None:
            self.restarted_from = await self._manager.restart_point(self.session)
        await self._apply_orders()

    async def count_attempt(self, error: str, attempts: int) -> None:
        """Record an error that leaves the session open: how many there were, and what it said."""
        n = self.session.failed_attempts + 1
        detail = {"attempt": n, "of": attempts, "error": error}
        await self._manager.count_attempt(self.session, n, detail)

    async def _effective_checkpoints(self) -> list[SessionCheckpoint]:
        """After a rollback, checkpoints that count may have been compressed away: reads the newest of each name."""
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
        """Sends heartbeats until cancelled or taken over.

        The answer also brings orders whose announcement was lost.
        """
        while not isinstance(self.order, TakenOver):
            try:
                await self.tick()
            except Exception:
                logger.exception("a heartbeat of %s failed", self.session.session_id)
            await asyncio.sleep(self._interval)

    async def tick(self) -> None:
        try:
            self.on_head(await self._manager.heartbeat(self.session.session_id))
        except SessionNotFound as error:
            self.on_head(None)
            logger.warning("no heartbeat: %s", error)
        except StorageUnavailable as error:
            logger.warning("no heartbeat for %s: %s", self.session.session_id, error)


# What a task may consist of that is no more than one call of a run.
_CALLS = frozenset(
    call.__code__
    for call in (Run.checkpoint, Run.save, Run.safe_point, Run.complete, Run.fail, Run.enter)
)

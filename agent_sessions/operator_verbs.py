"""Orders and edits by people and programs, each stored by one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from agent_sessions import argument_checks as check
from agent_sessions import stale, transitions, validation
from agent_sessions.edits import EditPreview
from agent_sessions.errors import (
    CheckpointNotFound,
    Conflict,
    EditConflict,
    SessionNotFound,
    UsageError,
)
from agent_sessions.manager_base import ManagerBase
from agent_sessions.models import AgentSession, SessionCheckpoint
from agent_sessions.states import CHECKPOINT_NAMES

LATER_SHOWN = 1000


class OperatorVerbs(ManagerBase):
    """Each verb takes the same facts about itself: `actor` (who gives the order), `reason`, `source` (through what, as page or api),
    `seen_version` (the version that the actor saw) and `request_id`, by which repeating the call has no second effect.

    Each returns the session as it is stored. Raises SessionNotFound, InvalidTransition, InvalidInput, Conflict when an
    order came after `seen_version`, RequestReused, StorageUnavailable; then nothing was stored.
    """

    async def order(self, verb: str, session_id: str, *values: Any, **who: Any) -> AgentSession:
        """Calls the method of this verb with `values` and `who`; a verb without one makes its transition alone.

        Raises UsageError for an unknown verb.
        """
        if verb not in CHECKPOINT_NAMES:
            raise UsageError(f"{verb!r} is no verb: there are {', '.join(CHECKPOINT_NAMES)}")
        if method := getattr(self, verb, None):
            ordered: AgentSession = await method(session_id, *values, **who)
            return ordered
        return await self._order(verb, session_id, lambda _: {}, **who)

    async def pause(self, session_id: str, **who: Any) -> AgentSession:
        """The agent waits at its next safe point. No effect on a paused session."""
        return await self._order("pause", session_id, _previous_state, **who)

    async def resume(self, session_id: str, **who: Any) -> AgentSession:
        """A paused session continues. No effect on an active one."""
        return await self._order("resume", session_id, lambda _: {}, **who)

    async def complete(
        self, session_id: str, result: Any = None, *, actor: str | None = None, **who: Any
    ) -> AgentSession:
        """End the session as completed. `result` is stored with the checkpoint, as JSON of at most 1 MiB."""
        _, data = self._encoded({"result": result}, "result", validation.MAX_DATA_BYTES)
        return await self._order(
            "complete", session_id, lambda _: data, actor=actor, body=data, **who
        )

    async def fail(
        self,
        session_id: str,
        error: str,
        error_details: Any = None,
        *,
        actor: str | None = None,
        **who: Any,
    ) -> AgentSession:
        """End the session as failed. `error` and `error_details` are stored with the checkpoint, as JSON of at most 1 MiB."""
        facts = {"error": validation.text(error, "error"), "details": error_details}
        _, data = self._encoded(facts, "error_details", validation.MAX_DATA_BYTES)
        return await self._order("fail", session_id, lambda _: data, actor=actor, body=data, **who)

    async def delete(self, session_id: str, **who: Any) -> AgentSession:
        """Soft delete: `restore` brings the session back. Deleting a deleted session changes nothing."""
        return await self._order("delete", session_id, _previous_state, **who)

    async def restore(
        self,
        session_id: str,
        *,
        actor: str | None,
        reason: str | None = None,
        request_id: uuid.UUID | None = None,
        seen_version: int | None = None,
        source: str | None = None,
    ) -> AgentSession:
        """Bring a deleted session back, to the state before its deletion."""
        decision = transitions.restore(self._author(actor, reason, source), self.clock())
        return await self._operate(session_id, decision, request_id, seen_version)

    async def rollback(
        self,
        session_id: str,
        checkpoint_id: str | int,
        *,
        actor: str | None,
        reason: str | None = None,
        request_id: uuid.UUID | None = None,
        seen_version: int | None = None,
        source: str | None = None,
    ) -> AgentSession:
        """Returns to a checkpoint, restores the context captured with it, and makes the agent start again from there.

        The epoch is increased, so that later writes of the work before are refused. Raises CheckpointNotFound.
        """
        session_id = validation.session_id(session_id)
        target = await self._target(session_id, checkpoint_id)
        author, now = self._author(actor, reason, source), self.clock()
        decision = transitions.rollback(author, now, *target)
        try:
            return await self._operate(session_id, decision, request_id, seen_version)
        except Conflict as error:
            if error.about != "context":
                raise
        # The session still had the checkpoint's context when it was read, and the agent has replaced it since.
        decision = transitions.rollback(author, now, *await self._target(session_id, checkpoint_id))
        return await self._operate(session_id, decision, request_id, seen_version)

    async def edit(
        self,
        session_id: str,
        *,
        context: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        actor: str | None,
        reason: str | None = None,
        seen_version: int | None = None,
        seen_metadata: dict[str, Any] | None = None,
        request_id: uuid.UUID | None = None,
        source: str | None = None,
    ) -> AgentSession:
        """An administrator's edit: its differences to the loaded version are merged into the current one.

        `seen_version` is the loaded version of the session, `seen_metadata` the loaded metadata, because past metadata
        is not stored. Raises EditConflict if someone else changed one of the same paths; a list counts as one value.
        Without `seen_version` and `seen_metadata`, context and metadata replace the current ones.
        """
        self._binding.check()
        if context is not None:
            _, context = self._encoded(context, "context")
        if metadata is not None:
            _, metadata = self._encoded(metadata, "metadata")
        wanted = await self._editing.wanted(
            session_id, context, metadata, seen_version, seen_metadata
        )
        author = self._author(actor, reason, source)
        decision = transitions.edit(author, wanted, [context, metadata])
        try:
            return await self._operate(session_id, decision, request_id, None)
        except EditConflict as error:
            raise await self._editing.signed(error, seen_version) from None

    async def preview_edit(
        self,
        session_id: str,
        *,
        context: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        seen_version: int | None = None,
        seen_metadata: dict[str, Any] | None = None,
    ) -> EditPreview:
        """The effect of `edit` now, including conflicts; nothing is stored."""
        self._binding.check()
        session_id = validation.session_id(session_id)
        wanted = await self._editing.wanted(
            session_id, context, metadata, seen_version, seen_metadata
        )
        return await self._editing.preview(session_id, wanted, seen_version)

    async def preview_rollback(
        self, session_id: str, checkpoint_id: str | int
    ) -> transitions.RollbackPreview:
        """The effect of a rollback: the context before and after, and the checkpoints after the target."""
        session_id = validation.session_id(session_id)
        to, version, past = await self._target(session_id, checkpoint_id)
        session = await self._store.read(session_id)
        if session is None:
            raise SessionNotFound(session_id)
        target = to.n or 0
        return transitions.RollbackPreview(
            checkpoint=to,
            context_captured=version is not None,
            before=session.context,
            after=session.context if past is None else past,
            later=await self._store.checkpoints(session_id, target, LATER_SHOWN),
            later_count=await self._store.count_checkpoints(session_id, target),
        )

    async def delete_session(self, session_id: str, *, actor: str = "", reason: str = "") -> bool:
        """Soft delete. True when it was there and was not deleted before."""
        author = self._author(actor or None, reason, None)
        decision = transitions.operator_transition("delete", author, self.clock(), _previous_state)
        try:
            await self._operate(session_id, decision, None, None)
        except SessionNotFound:
            return False
        return decision.wrote

    async def fail_silent(self, session_id: str, max_age: timedelta) -> bool:
        """Fails one active session unless it sent a heartbeat within `max_age` after all."""
        check.age(max_age, "max_age")
        decision = transitions.heartbeat_timeout(stale.AUTHOR, self.clock(), max_age)
        await self._operate(session_id, decision, None, None)
        return decision.wrote

    async def _order(
        self,
        verb: str,
        session_id: str,
        data: Callable[[AgentSession], dict[str, Any]],
        *,
        actor: str | None,
        reason: str | None = None,
        request_id: uuid.UUID | None = None,
        seen_version: int | None = None,
        source: str | None = None,
        body: object = None,
    ) -> AgentSession:
        author = self._author(actor, reason, source)
        decision = transitions.operator_transition(verb, author, self.clock(), data, body)
        return await self._operate(session_id, decision, request_id, seen_version)

    async def _operate(
        self,
        session_id: str,
        decision: transitions.Transition,
        request_id: uuid.UUID | None,
        seen_version: int | None,
    ) -> AgentSession:
        self._binding.check()
        stored = await self._store.transact(
            validation.session_id(session_id),
            request_id or uuid.uuid4(),
            decision,
            seen_version=seen_version,
        )
        session = stored.session
        await self._publisher.publish(session.head)
        session.encode = self.encode
        return session

    async def _target(
        self, session_id: str, checkpoint_id: str | int
    ) -> tuple[SessionCheckpoint, int | None, dict[str, Any] | None]:
        self._binding.check()
        n = transitions.checkpoint_number(session_id, checkpoint_id)
        found = await self._store.checkpoint(session_id, n)
        if found is None:
            if await self._store.head(session_id) is None:
                raise SessionNotFound(session_id)
            raise CheckpointNotFound(str(checkpoint_id))
        to, version = found
        past = None if version is None else await self._store.past_context(session_id, version)
        return to, version, past


def _previous_state(session: AgentSession) -> dict[str, Any]:
    return {"previous_state": session.state.value}

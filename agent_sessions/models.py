"""Sessions and their checkpoints as plain data."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Self

import msgspec

from agent_sessions import validation
from agent_sessions.basic_errors import InvalidInput
from agent_sessions.change_set import ChangeSet, SaveLock
from agent_sessions.clock import utc_now
from agent_sessions.json_errors import Encode
from agent_sessions.json_merge import copied
from agent_sessions.lease_owner import Lease
from agent_sessions.session_checkpoint import SessionCheckpoint, dict_or_empty
from agent_sessions.session_head import Beat, Head
from agent_sessions.states import (
    CHECKPOINT_NAMES,
    FINAL_STATES,
    LIVE_STATES,
    SessionState,
    ending_checkpoints,
    target,
)
from agent_sessions.stored_fields import PLAIN, TIMES, plain_of, times_of

__all__ = ["AgentSession", "Beat", "Head", "SessionCheckpoint"]


@dataclass
class AgentSession:
    """One session. Changes made here are stored by `SessionManager.update_session`."""

    agent_type: str
    user_id: str = ""
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: SessionState = SessionState.ACTIVE
    created_at: datetime = field(default_factory=utc_now)
    last_heartbeat: datetime = field(default_factory=utc_now)
    context: dict[str, Any] = field(default_factory=dict)
    checkpoints: list[SessionCheckpoint] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    # Set by the store; agents only read them.
    version: int = 0
    epoch: int = 0
    context_version: int = 1
    checkpoint_count: int = 0
    checkpoints_through: int = 0
    last_progress: datetime | None = None
    ended_at: datetime | None = None
    state_before_deletion: str | None = None
    order_version: int = 0
    order_verb: str | None = None
    order_actor: str | None = None
    order_reason: str | None = None
    ordered_at: datetime | None = None
    order_checkpoint: int | None = None
    acknowledged_version: int = 0
    acknowledged_at: datetime | None = None
    # parts of the run, while a pause waits for some of them
    parts: int | None = None
    parts_at_work: int | None = None
    # the owner and its lease; renewed without a new version, so only a fresh `read` is exact
    owner_id: str | None = None
    owner_name: str | None = None
    owner_since: datetime | None = None
    lease_until: datetime | None = None
    # when its last owner left it open
    handed_back_at: datetime | None = None
    # errors since the last rollback that left it open for another attempt
    failed_attempts: int = 0
    refused_writes: int = 0
    changed_by: str | None = None
    # versions are comparable within one timeline; a restore or fail-over of the database begins another
    timeline: str | None = None
    change_id: uuid.UUID | None = field(default=None, compare=False)
    clock: Callable[[], datetime] = field(default=utc_now, repr=False, compare=False)
    # for values that JSON does not know: `SessionManager(encode=…)`
    encode: Encode | None = field(default=None, repr=False, compare=False)
    # The session as last known to be stored, without its checkpoints; the differences to it are saved.
    loaded: AgentSession | None = field(default=None, repr=False, compare=False)
    # A write that is in flight, or whose outcome is unknown.
    attempt: ChangeSet | None = field(default=None, repr=False, compare=False)
    # the lease of the run whose copy this is
    lease: Lease | None = field(default=None, repr=False, compare=False)
    save_lock: SaveLock = field(default_factory=SaveLock, repr=False, compare=False)

    @property
    def order_open(self) -> bool:
        """An administrator's order that the agent has not confirmed yet."""
        return self.order_version > self.acknowledged_version

    @property
    def head(self) -> Head:
        return Head(
            self.session_id,
            self.state,
            self.version,
            self.epoch,
            self.order_version,
            self.order_verb,
            self.acknowledged_version,
            self.timeline,
        )

    def checkpoint(self, name: str, data: dict[str, Any] | None = None) -> SessionCheckpoint:
        """Add a checkpoint; `update_session` stores it. Raises InvalidInput for what could not be stored."""
        validation.text(name, "the checkpoint's name", validation.MAX_NAME, required=True)
        made = SessionCheckpoint(name, self.clock(), {} if data is None else data)
        made.validate(self.encode)
        made.data = copied(made.data)
        self.checkpoints.append(made)
        return made

    def heartbeat(self) -> None:
        self.last_heartbeat = self.clock()

    def pause(self) -> None:
        self._go("pause", {"previous_state": self.state.value})

    def resume(self) -> None:
        self._go("resume", {})

    def complete(self, result: Any = None) -> None:
        self._go("complete", {"result": result})

    def fail(self, error: str, error_details: Any = None) -> None:
        self._go("fail", {"error": str(error), "details": error_details})

    def _go(self, verb: str, data: dict[str, Any]) -> None:
        """Raises InvalidTransition. The same state again is not a transition and adds no checkpoint."""
        to = target(self.state, verb)
        if to is None:
            return
        self.checkpoint(CHECKPOINT_NAMES[verb], data)
        self.state = to
        self.ended_at = self.clock() if to in FINAL_STATES else None

    def get_last_checkpoint(self, name: str | None = None) -> SessionCheckpoint | None:
        matching = (c for c in reversed(self.checkpoints) if name is None or c.name == name)
        return next(matching, None)

    def get_duration(self) -> timedelta:
        """From creation to the final state, or until now if the session is live."""
        if self.state in LIVE_STATES:
            return self.clock() - self.created_at
        return (self.ended_at or self._end_by_checkpoint() or self.last_heartbeat) - self.created_at

    def _end_by_checkpoint(self) -> datetime | None:
        """The time of the checkpoint that ended it, for rows of old agents, which have no `ended_at`."""
        ends = ending_checkpoints()
        return next((c.timestamp for c in self.checkpoints if c.name in ends), None)

    def to_dict(self) -> dict[str, Any]:
        """The format that is stored in Valkey, and that old agents read."""
        return self._frame() | {"context": self.context, "metadata": self.metadata}

    def to_json(self, context: str, metadata: str) -> str:
        """The same as JSON without None; uses the JSON of context and metadata from validation."""
        known = {name: value for name, value in self._frame().items() if value is not None}
        frame = msgspec.json.encode(known).decode()
        return f'{frame[:-1]}, "context": {context}, "metadata": {metadata}}}'

    def _frame(self) -> dict[str, Any]:
        return {
            "session_id": self.session_id,
            "agent_type": self.agent_type,
            "user_id": self.user_id,
            "state": self.state.value,
            "created_at": self.created_at.isoformat(),
            "last_heartbeat": self.last_heartbeat.isoformat(),
            "checkpoints": [c.to_dict() for c in self.checkpoints],
            **dict(zip(PLAIN, plain_of(vars(self)), strict=True)),
            **{
                name: at and at.isoformat()
                for name, at in zip(TIMES, times_of(vars(self)), strict=True)
            },
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Reads the formats of old and new agents. Raises InvalidInput for anything else."""
        try:
            return cls(
                session_id=validation.session_id(stored["session_id"]),
                agent_type=str(stored["agent_type"]),
                user_id=stored.get("user_id") or "",
                state=SessionState(stored["state"]),
                created_at=validation.moment(stored["created_at"], "created_at"),
                last_heartbeat=validation.moment(stored["last_heartbeat"], "last_heartbeat"),
                context=dict_or_empty(stored.get("context")),
                checkpoints=[
                    SessionCheckpoint.from_dict(c) for c in stored.get("checkpoints") or []
                ],
                metadata=dict_or_empty(stored.get("metadata")),
                **{name: stored[name] for name in PLAIN if name in stored},
                **{name: _moment(name, stored[name]) for name in TIMES if name in stored},
            )
        except KeyError as error:
            raise InvalidInput(f"no stored session: {error.args[0]} is missing") from error
        except (TypeError, AttributeError, ValueError) as error:
            raise InvalidInput(f"no stored session: {error}") from error

    def _shallow(self) -> Self:
        """`copy.copy` in a fifth of the time, because it skips the lookup of copy methods."""
        shallow = object.__new__(type(self))
        vars(shallow).update(vars(self))
        return shallow

    def copy(self) -> Self:
        """A copy that shares no mutable objects."""
        copy = self._shallow()
        copy.context, copy.metadata = copied(self.context), copied(self.metadata)
        copy.checkpoints = [checkpoint.copy() for checkpoint in self.checkpoints]
        copy.loaded = copy.attempt = copy.lease = None
        copy.save_lock = SaveLock()
        return copy

    @property
    def new_checkpoints(self) -> list[SessionCheckpoint]:
        """The unsaved ones at the end; searched from there, so a long history costs nothing."""
        new = list(takewhile(lambda c: not c.stored, reversed(self.checkpoints)))
        return new[::-1]

    def mark_clean(self) -> Self:
        """Marks the current state as stored: `update_session` writes later differences."""
        for checkpoint in self.checkpoints:
            checkpoint.stored = True
        self.loaded = base = self._shallow()
        base.context, base.metadata = copied(self.context), copied(self.metadata)
        base.checkpoints = []
        base.loaded = base.attempt = base.lease = None
        return self


def _moment(name: str, value: Any) -> Any:
    return None if value is None else validation.moment(value, name)

"""Sessions and their checkpoints as plain data. Nothing here talks to a store."""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from operator import itemgetter
from typing import Any, Self

import msgspec

from agent_sessions import validation
from agent_sessions.basic_errors import InvalidInput
from agent_sessions.json_faults import Encode
from agent_sessions.owner import Lease
from agent_sessions.states import (
    CHECKPOINT_NAMES,
    CREATED,
    FINAL_STATES,
    LIVE_STATES,
    SessionState,
    target,
)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class SessionCheckpoint:
    """A named point an agent can return to. `id` is "{session_id}:{n}", None until it is stored."""

    name: str
    timestamp: datetime
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    stored: bool = field(default=False, repr=False, compare=False)
    # `data` as JSON, and by what it is known that it is still the same
    validated: tuple[bytes | None, str] | None = field(default=None, repr=False, compare=False)

    @property
    def n(self) -> int | None:
        return int(self.id.rpartition(":")[2]) if self.id else None

    def validate(self, encode: Encode | None = None) -> str:
        """`data` as JSON, encoded again only when it was changed. Raises InvalidInput for what cannot be stored.

        `data` holds afterwards what is stored, where `encode` had to help.
        """
        print_now = validation.fingerprint(self.data)
        if self.validated is not None and print_now is not None and self.validated[0] == print_now:
            return self.validated[1]
        text, plain = validation.encoded(
            self.data, "the checkpoint's data", validation.MAX_DATA_BYTES, encode
        )
        if plain is not self.data:
            self.data, print_now = plain, validation.fingerprint(plain)
        self.validated = print_now, text
        return text

    def copy(self) -> Self:
        data, metadata = copied(self.data), copied(self.metadata)
        return type(self)(self.name, self.timestamp, data, metadata, self.id, self.stored)

    def to_dict(self) -> dict[str, Any]:
        """{"name", "timestamp" (ISO 8601 with offset), "data"} and, where there are any, "id" and "metadata"."""
        result = {"name": self.name, "timestamp": self.timestamp.isoformat(), "data": self.data}
        if self.id:
            result["id"] = self.id
        if self.metadata:
            result["metadata"] = self.metadata
        return result

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Raises InvalidInput for what is no checkpoint."""
        if not isinstance(stored, dict) or not isinstance(stored.get("name"), str):
            raise InvalidInput(f"no checkpoint: {str(stored)[:60]!r}")
        at = validation.moment(stored.get("timestamp"), "timestamp")
        data, metadata = _dict(stored.get("data")), _dict(stored.get("metadata"))
        return cls(stored["name"], at, data, metadata, stored.get("id"), True)


@dataclass(frozen=True)
class Head:
    """What a heartbeat answers: enough to know whether an order waits."""

    session_id: str
    state: SessionState
    version: int
    epoch: int
    order_version: int = 0
    order_verb: str | None = None
    acknowledged_version: int = 0
    timeline: str | None = None
    # what changes without a version
    last_heartbeat: datetime | None = field(default=None, compare=False)
    refused_writes: int = field(default=0, compare=False)

    @property
    def order_open(self) -> bool:
        return self.order_version > self.acknowledged_version


Beat = Head


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
    # Kept by the store; agents read them.
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
    # of the run, while a pause waits for those that are still at work
    parts: int | None = None
    parts_at_work: int | None = None
    # who works on it, and until when that is certain; renewed without a version, so that only a fresh `read` is exact
    owner_id: str | None = None
    owner_name: str | None = None
    owner_since: datetime | None = None
    lease_until: datetime | None = None
    # when its last owner left it open
    handed_back_at: datetime | None = None
    # errors that left it open to be taken up again, since the last rollback
    failed_attempts: int = 0
    refused_writes: int = 0
    changed_by: str | None = None
    # within which `version` means something: another one once the database was restored or went back in time
    timeline: str | None = None
    change_id: uuid.UUID | None = field(default=None, compare=False)
    clock: Callable[[], datetime] = field(default=utc_now, repr=False, compare=False)
    # for values that JSON does not know: `SessionManager(encode=…)`
    encode: Encode | None = field(default=None, repr=False, compare=False)
    # What was last known to be stored: (context, metadata, state, how many checkpoints).
    loaded: AgentSession | None = field(default=None, repr=False, compare=False)
    # A write that is on its way, or whose outcome is unknown.
    attempt: ChangeSet | None = field(default=None, repr=False, compare=False)
    # of the run whose copy this is
    lease: Lease | None = field(default=None, repr=False, compare=False)
    turn: SaveLock = field(default_factory=lambda: SaveLock(), repr=False, compare=False)

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
        """Raises InvalidTransition; the same state again is no transition and leaves no checkpoint."""
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
        """From creation to the final state, or to now while there is none."""
        if self.state in LIVE_STATES:
            return self.clock() - self.created_at
        return (self.ended_at or self._end_by_checkpoint() or self.last_heartbeat) - self.created_at

    def _end_by_checkpoint(self) -> datetime | None:
        """Rows of today's agents do not say when they ended, but their checkpoints do."""
        ends = (CHECKPOINT_NAMES["complete"], CHECKPOINT_NAMES["fail"], CHECKPOINT_NAMES["delete"])
        return next((c.timestamp for c in self.checkpoints if c.name in ends), None)

    def to_dict(self) -> dict[str, Any]:
        """The shape that is stored in Valkey and that today's agents read."""
        return self._frame() | {"context": self.context, "metadata": self.metadata}

    def to_json(self, context: str, metadata: str) -> str:
        """The same as JSON, without what is None; that of context and metadata was made when they were checked."""
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
            **dict(zip(PLAIN, _plain_of(vars(self)), strict=True)),
            **{
                name: at and at.isoformat()
                for name, at in zip(TIMES, _times_of(vars(self)), strict=True)
            },
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Reads today's agents' shape and ours. Raises InvalidInput for anything else."""
        try:
            return cls(
                session_id=validation.session_id(stored["session_id"]),
                agent_type=str(stored["agent_type"]),
                user_id=stored.get("user_id") or "",
                state=SessionState(stored["state"]),
                created_at=validation.moment(stored["created_at"], "created_at"),
                last_heartbeat=validation.moment(stored["last_heartbeat"], "last_heartbeat"),
                context=_dict(stored.get("context")),
                checkpoints=[
                    SessionCheckpoint.from_dict(c) for c in stored.get("checkpoints") or []
                ],
                metadata=_dict(stored.get("metadata")),
                **{name: stored[name] for name in PLAIN if name in stored},
                **{name: _moment(name, stored[name]) for name in TIMES if name in stored},
            )
        except KeyError as error:
            raise InvalidInput(f"no stored session: {error.args[0]} is missing") from error
        except (TypeError, AttributeError, ValueError) as error:
            raise InvalidInput(f"no stored session: {error}") from error

    def _shallow(self) -> Self:
        """`copy.copy`, which asks first how that is to be done, in a fifth of the time."""
        shallow = object.__new__(type(self))
        vars(shallow).update(vars(self))
        return shallow

    def copy(self) -> Self:
        """A copy that shares nothing that can be changed."""
        twin = self._shallow()
        twin.context, twin.metadata = copied(self.context), copied(self.metadata)
        twin.checkpoints = [checkpoint.copy() for checkpoint in self.checkpoints]
        twin.loaded = twin.attempt = twin.lease = None
        twin.turn = SaveLock()
        return twin

    @property
    def new_checkpoints(self) -> list[SessionCheckpoint]:
        """Those at the end that are not stored; looked for from there, so that a long history costs nothing."""
        new = list(takewhile(lambda c: not c.stored, reversed(self.checkpoints)))
        return new[::-1]

    def mark_clean(self) -> Self:
        """Mark what is here as stored: later differences are what `update_session` writes."""
        for checkpoint in self.checkpoints:
            checkpoint.stored = True
        self.loaded = base = self._shallow()
        base.context, base.metadata = copied(self.context), copied(self.metadata)
        base.checkpoints = []
        base.loaded = base.attempt = base.lease = None
        return self


@dataclass(frozen=True)
class ChangeSet:
    """What a copy held when its write set out; unchanged parts are the very objects of its base."""

    change_id: uuid.UUID
    state: SessionState
    context: dict[str, Any]
    metadata: dict[str, Any]
    added: tuple[SessionCheckpoint, ...]
    # JSON as it was made when it was checked: of the context, where it changed, and of the last one that is added
    context_text: str
    data_text: str
    metadata_text: str

    def is_fast(self, base: AgentSession) -> bool:
        """Checkpoints and context: nothing that has to be decided on the locked row."""
        return self.state == base.state and self.metadata is base.metadata


class SaveLock(asyncio.Lock):
    """Tasks that share one copy of a session save it one after the other."""

    def take(self) -> bool:
        """Without waiting: False when somebody has it, or has waited for it."""
        asking = self.acquire()
        try:
            asking.send(None)
        except StopIteration:
            return True
        asking.close()
        return False

    def __deepcopy__(self, memo: object) -> SaveLock:
        return SaveLock()


TIMES = (
    "last_progress",
    "ended_at",
    "ordered_at",
    "acknowledged_at",
    "owner_since",
    "lease_until",
    "handed_back_at",
)
PLAIN = (
    "version",
    "epoch",
    "context_version",
    "checkpoint_count",
    "checkpoints_through",
    "state_before_deletion",
    "order_version",
    "order_verb",
    "order_actor",
    "order_reason",
    "order_checkpoint",
    "acknowledged_version",
    "parts",
    "parts_at_work",
    "owner_id",
    "owner_name",
    "failed_attempts",
    "refused_writes",
    "changed_by",
    "timeline",
)
STORED = (*PLAIN, *TIMES)
_plain_of, _times_of = itemgetter(*PLAIN), itemgetter(*TIMES)


def copied(value: Any) -> Any:
    """`copy.deepcopy` for what is mostly JSON, in a fifth of the time; every place has an object of its own."""
    kind = type(value)
    if kind is dict:
        return {key: copied(item) for key, item in value.items()}
    if kind is list:
        return [copied(item) for item in value]
    return value if kind in _UNCHANGING else copy.deepcopy(value)


_UNCHANGING = frozenset({str, int, float, bool, type(None)})


def _moment(name: str, value: Any) -> Any:
    return None if value is None else validation.moment(value, name)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def new_session(
    agent_type: str,
    user_id: str,
    context: dict[str, Any] | None,
    metadata: dict[str, Any] | None,
    clock: Callable[[], datetime],
    encode: Encode | None = None,
) -> AgentSession:
    """A session that is ready to be stored, with the checkpoint that every session begins with."""
    now = clock()
    session = AgentSession(
        agent_type=validation.agent_type(agent_type),
        user_id=validation.text(user_id, "user_id", 320),
        context=copied(context or {}),
        metadata=copied(metadata or {}),
        created_at=now,
        last_heartbeat=now,
        last_progress=now,
        changed_by=agent_type,
        version=1,
        clock=clock,
        encode=encode,
    )
    session.checkpoint(CREATED, {"agent_type": agent_type, "user_id": user_id})
    session.checkpoints[0].id = f"{session.session_id}:1"
    session.checkpoint_count = session.checkpoints_through = 1
    return session

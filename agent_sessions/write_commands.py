"""One write, as every store takes it: what to change, under which guards, by which author."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from agent_sessions.errors import RequestReused
from agent_sessions.models import AgentSession, Head, SessionCheckpoint
from agent_sessions.states import LIVE_STATES, SessionState

LIVE = tuple(sorted(state.value for state in LIVE_STATES))


@dataclass(frozen=True)
class Author:
    """The author of a write, through what it came, and why. `source` is one of agent, page, bulk, admin, api, command, sweeper.

    `owner_id`: of the run whose step this is, unless an order had reached it before; such a step is no late write.
    """

    actor: str | None
    source: str
    reason: str | None = None
    owner_id: str | None = None


@dataclass(frozen=True)
class Write:
    """None means: keep, or do not check. Stored as one version and one entry in the history, or not at all."""

    session_id: str
    kind: str
    author: Author
    from_states: tuple[str, ...] = LIVE
    change_id: uuid.UUID = field(default_factory=uuid.uuid4)
    # the database's timeline in which the copy was read
    timeline: str | None = None
    epoch: int | None = None
    # the version of the writer's copy; `resent`: this write was sent before and may still be under way
    seen: int | None = None
    resent: bool = False
    context_seen: int | None = None
    state: SessionState | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    added: tuple[SessionCheckpoint, ...] = ()
    # for each added checkpoint: the version of the context that belongs to it, None for the one after this write
    added_contexts: tuple[int | None, ...] = ()
    compressed: list[dict[str, Any]] | None = None
    by_agent: bool = False
    raise_epoch: bool = False
    verb: str | None = None
    order_checkpoint: int | None = None
    acknowledged: int | None = None
    # how many parts a run has, and how many of them are at work
    parts: tuple[int, int] | None = None
    failed_attempts: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    def replace(self, **changes: Any) -> Write:
        return replace(self, **changes)

    def row(self) -> dict[str, Any]:
        """As write_sessions.sql reads it."""
        detail = dict(self.detail)
        if self.added:
            detail["checkpoint"] = self.added[-1].name
        return {
            "id": self.session_id,
            "timeline": self.timeline,
            "epoch": self.epoch,
            "seen": self.seen,
            "resent": self.resent,
            "context_seen": self.context_seen,
            "from_states": self.from_states,
            "state": self.state,
            "context": self.context,
            "metadata": self.metadata,
            "added": [self._added(i) for i in range(len(self.added))],
            "compressed": self.compressed,
            "by_agent": self.by_agent,
            "raise_epoch": self.raise_epoch,
            "verb": self.verb,
            "order_checkpoint": self.order_checkpoint,
            "acknowledged": self.acknowledged,
            "parts": self.parts and self.parts[0],
            "parts_at_work": self.parts and self.parts[1],
            "failed_attempts": self.failed_attempts,
            "kind": self.kind,
            "actor": self.author.actor,
            "reason": self.author.reason,
            "source": self.author.source,
            "change_id": str(self.change_id),
            "detail": detail,
        }

    def _added(self, i: int) -> dict[str, Any]:
        stored = self.added[i].to_dict()
        if self.added_contexts and self.added_contexts[i] is not None:
            stored["context_version"] = self.added_contexts[i]
        return stored


# From the session as it is to what is written; None for nothing.
Decide = Callable[[AgentSession], Write | None]
# From ids, decision, time and silence to the heads of the sessions that were failed.
FailSilent = Callable[[Sequence[str], Decide, datetime, timedelta], Awaitable[list[Head]]]


@dataclass(slots=True)
class AppendCheckpoint:
    """The commonest write: one checkpoint of a live session, and its context where that changed too.

    `data`, `metadata` and `context_text` are JSON as it was made when it was checked.
    """

    session_id: str
    author: Author
    change_id: uuid.UUID
    timeline: str | None
    epoch: int
    seen: int
    checkpoint: SessionCheckpoint
    data: str
    metadata: str
    context: dict[str, Any] | None
    context_text: str
    context_seen: int
    paths: list[str]

    def text(self) -> str:
        """As append_checkpoints.sql reads it."""
        made, author = self.checkpoint, self.author
        text = (
            f'{{"id":"{self.session_id}","epoch":{self.epoch},"seen":{self.seen},"name":{json.dumps(made.name)}'
            f',"at":"{made.timestamp.isoformat()}","data":{self.data}'
            f',"actor":{json.dumps(author.actor)},"source":{json.dumps(author.source)}'
            f',"change_id":"{self.change_id}"'
        )
        if self.timeline is not None:
            text += f',"timeline":{json.dumps(self.timeline)}'
        if self.metadata != "{}":
            text += f',"metadata":{self.metadata}'
        if self.context is not None:
            text += f',"context":{self.context_text},"context_seen":{self.context_seen}'
            text += f',"paths":{json.dumps(self.paths)}'
        return text + "}"

    def write(self) -> Write:
        """The same as every store understands it."""
        return Write(
            self.session_id,
            "checkpoint",
            self.author,
            change_id=self.change_id,
            timeline=self.timeline,
            epoch=self.epoch,
            seen=self.seen,
            context_seen=None if self.context is None else self.context_seen,
            context=self.context,
            added=(self.checkpoint,),
            by_agent=True,
            detail={"paths": self.paths} if self.paths else {},
        )


@dataclass(frozen=True)
class Written:
    """What a store answers for a write that is stored."""

    head: Head
    checkpoint_count: int
    checkpoints_through: int
    context_version: int

    @classmethod
    def of(cls, session: AgentSession) -> Written:
        return cls(
            session.head,
            session.checkpoint_count,
            session.checkpoints_through,
            session.context_version,
        )


@dataclass(frozen=True)
class Transacted:
    """The session as a transaction left it.

    `repeated`: the change was stored before under the same id, and others may have written since;
    `checkpoint_n` is the number of its newest checkpoint.
    """

    session: AgentSession
    repeated: bool = False
    checkpoint_n: int | None = None

    @property
    def newest_of_change(self) -> int | None:
        return self.checkpoint_n if self.repeated else self.session.checkpoint_count


@dataclass(frozen=True)
class Taken:
    """A lease that was taken. `fenced`: another owner had it before; what that one writes is refused from now on."""

    head: Head
    fenced: bool


def require_same(done: Mapping[str, Any], decide: Decide) -> None:
    """What was stored under this id (its entry in the history) was asked for with the same words, or RequestReused."""
    request = getattr(decide, "request", None)
    if request is not None and request != done["request"]:
        raise RequestReused(
            "this request id was used before for another request: reload the page and try again"
        )


class Rejected(Exception):
    """A guard did not hold and nothing was changed; the caller finds out which one on the locked row."""

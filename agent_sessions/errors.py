"""Everything this library raises.

SessionError                  the root: catch it to catch all
├── InvalidInput              the caller's value cannot be stored; says which and why
├── SessionNotFound           no session has this id
├── CheckpointNotFound        the session has no such checkpoint
├── InvalidTransition         the verb is forbidden in the current state
├── Conflict                  someone else changed the same thing first
│   └── EditConflict          the same paths of an edit; says what was loaded, what is there, who wrote it
├── SessionOwned              another process works on the session; says which, and until when its lease holds
├── RequestReused             the same request id came with another request
├── WriteRefused              a late write of an agent, kept out of the record
│   ├── StaleEpoch            an administrator rolled back, ended or deleted meanwhile
│   ├── SessionEnded          the session is in a final state
│   └── TimelineChanged       the database was restored or failed over after this copy was read
├── StorageUnavailable        nothing is known to be saved; try again
├── StorageMisconfigured      PostgreSQL lacks tables or rights, or has others than this version needs, or Valkey is too old
├── UsageError                the library was called in a way that cannot work; says what to do instead
└── OrderReceived             raised at a safe point: what an administrator ordered
    ├── RolledBack            start again from .checkpoint
    │   └── Restored          not an administrator: the database was restored or failed over
    ├── Failed
    ├── Completed
    ├── Deleted
    ├── TakenOver             another process works on the session now
    └── HandedBack            the process was asked to end (SIGTERM, `run.stop()`); the session stays open
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from agent_sessions.basic_errors import (
    CheckpointNotFound,
    InvalidInput,
    InvalidTransition,
    SessionError,
    SessionNotFound,
    StorageMisconfigured,
    StorageUnavailable,
    UsageError,
)
from agent_sessions.edits import EditPreview, PathConflict
from agent_sessions.models import AgentSession, SessionCheckpoint
from agent_sessions.states import CHECKPOINT_NAMES

__all__ = [
    "CheckpointNotFound",
    "Completed",
    "Conflict",
    "Deleted",
    "EditConflict",
    "Failed",
    "HandedBack",
    "InvalidInput",
    "InvalidTransition",
    "OrderReceived",
    "RequestReused",
    "Restored",
    "RolledBack",
    "SessionEnded",
    "SessionError",
    "SessionNotFound",
    "SessionOwned",
    "StaleEpoch",
    "StorageMisconfigured",
    "StorageUnavailable",
    "TakenOver",
    "TimelineChanged",
    "UsageError",
    "WriteRefused",
]


class Conflict(SessionError):
    """Someone else (`actor`) changed the same thing first. `current` is the current session.

    `about` says what the paths name: parts of context and metadata, the context as a whole, or the state. It is
    "version" if nobody changed anything: the session never had the version that was seen, or lost it in a restore.
    """

    def __init__(
        self,
        current: AgentSession | None,
        paths: Sequence[str] = (),
        about: Literal["paths", "context", "state", "version"] = "paths",
    ) -> None:
        super().__init__()
        self.current = current
        self.paths = list(paths)
        self.about = about
        self.name(current.changed_by if current else None)

    def name(self, actor: str | None) -> Self:
        """Sets the author of these paths, as found in the history: the last writer may have changed others."""
        if self.about == "version":
            self.actor = None
            self.args = ("the session has no such version, perhaps after a restore: load it again",)
            return self
        self.actor = actor
        what = ", ".join(self.paths) or "the session"
        self.args = (f"{what} was changed meanwhile by {actor or 'someone else'}: load it again",)
        return self


class EditConflict(Conflict):
    """An edit changed paths that someone else has changed too, one of `conflicts` each; nothing was stored.

    `loaded_known` is false if the loaded version is not stored any more: then `conflicts` is empty.
    """

    def __init__(self, preview: EditPreview, conflicts: Sequence[PathConflict]) -> None:
        super().__init__(preview.session, [conflict.name for conflict in conflicts])
        self.preview = preview
        self.conflicts = list(conflicts)
        self.loaded_known = preview.loaded_known
        if not self.loaded_known:
            self.actor = None
            self.args = ("what the edit was made from is not known any more: load it again",)
            return
        writers = {c.actor for c in conflicts if c.actor}
        self.actor = ", ".join(sorted(writers)) or self.actor
        met = [f"{c.name} (by {c.actor or 'someone else'})" for c in conflicts[:10]]
        self.args = (f"changed meanwhile: {', '.join(met)}; load it again",)


class SessionOwned(SessionError):
    """Another process works on the session: `owner_name` since `owner_since`, its lease holds until `lease_until`."""

    def __init__(
        self,
        session_id: str,
        owner_name: str | None,
        owner_since: datetime | None,
        lease_until: datetime | None,
    ) -> None:
        until = f" until {lease_until.isoformat(timespec='seconds')}" if lease_until else ""
        super().__init__(
            f"session {session_id} is worked on by {owner_name}, whose lease holds{until} and is renewed while it lives;"
            " attach(…, take_over=True) takes it over"
        )
        self.session_id = session_id
        self.owner_name = owner_name
        self.owner_since = owner_since
        self.lease_until = lease_until


class RequestReused(SessionError):
    """The same request id was used for another request."""


class WriteRefused(SessionError):
    """A late write of an agent was refused."""


class StaleEpoch(WriteRefused):
    def __init__(self, session_id: str, verb: str | None, actor: str | None) -> None:
        super().__init__(
            f"session {session_id}: {actor or 'an administrator'} ordered {verb or 'a change'} "
            "after this copy was read; the write was refused"
        )
        self.session_id = session_id
        self.verb = verb
        self.actor = actor

    @classmethod
    def of_owner(cls, session_id: str, owner_name: str | None) -> Self:
        """Another process took the session over, without an order."""
        error = cls(session_id, None, None)
        by = owner_name or "another process"
        error.args = (
            f"session {session_id} was taken over by {by} after this copy was read; the write was refused",
        )
        return error


class SessionEnded(WriteRefused):
    def __init__(self, session_id: str, state: str) -> None:
        super().__init__(f"session {session_id} is {state}: the write was refused")
        self.session_id = session_id
        self.state = str(state)


class TimelineChanged(WriteRefused):
    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"session {session_id}: the database was restored or failed over after this copy was read; "
            "nothing was written: read the session anew"
        )
        self.session_id = session_id


_DONE = {
    "rollback": "was rolled back",
    "restore": "was restored",
    "fail": "was failed",
    "complete": "was completed",
    "delete": "was deleted",
}


class OrderReceived(SessionError):
    """An order that ends the agent's work. `actor` and `reason` are None if the agent ended the session itself."""

    # the order that leads here; None: whichever was the last
    verb: ClassVar[str | None] = None

    def __init__(self, session: AgentSession) -> None:
        verb = self._verb_of(session)
        ordered = session.order_verb == verb or verb is None
        self.actor = session.order_actor if ordered else None
        self.reason = session.order_reason if ordered else None
        who = f" by {self.actor}" if self.actor else ""
        why = f": {self.reason}" if self.reason else ""
        done = _DONE.get(verb or "", "has an order")
        super().__init__(f"session {session.session_id} {done}{who}{why}")
        self.session = session

    def _verb_of(self, session: AgentSession) -> str | None:
        return self.verb

    def again(self) -> OrderReceived:
        """The same order as a new exception: wrappers may hold a reference to the first one."""
        return type(self)(self.session)


class RolledBack(OrderReceived):
    """Start again from `checkpoint` (None: from the beginning); `data` is what was stored with it."""

    verb = "rollback"

    def __init__(self, session: AgentSession, checkpoint: SessionCheckpoint | None) -> None:
        super().__init__(session)
        self.checkpoint = checkpoint
        self.data: dict[str, Any] = dict(checkpoint.data) if checkpoint else {}

    def _verb_of(self, session: AgentSession) -> str:
        """A deletion that was taken back ends the work as a rollback does. Other orders may have followed it."""
        marks = {CHECKPOINT_NAMES[verb]: verb for verb in ("rollback", "restore")}
        found = (marks[c.name] for c in reversed(session.checkpoints) if c.name in marks)
        return next(found, "rollback")

    def again(self) -> RolledBack:
        return type(self)(self.session, self.checkpoint)


class Restored(RolledBack):
    """The database was restored or failed over: attach again and continue from the restored data.

    `checkpoint` is the newest of the agent's own work in the restored data.
    """

    def __init__(self, session: AgentSession, checkpoint: SessionCheckpoint | None) -> None:
        super().__init__(session, checkpoint)
        what = f"session {session.session_id}: the database was restored or failed over"
        self.args = (f"{what}, and may lack what was written; attach anew to go on from it",)


class Failed(OrderReceived):
    """The session was failed with `error`; without an `actor`, by the agent itself."""

    verb = "fail"

    def __init__(self, session: AgentSession) -> None:
        super().__init__(session)
        last = session.get_last_checkpoint(CHECKPOINT_NAMES["fail"])
        error = last.data.get("error") if last else None
        self.error: str | None = error if isinstance(error, str) else None
        if self.error:
            self.args = (f"{self.args[0]} (error: {self.error})",)


class Completed(OrderReceived):
    """The session was ended as completed."""

    verb = "complete"


class Deleted(OrderReceived):
    """The session was deleted."""

    verb = "delete"


class TakenOver(OrderReceived):
    """Another process works on the session now; later writes of this one are refused."""

    def __init__(self, session: AgentSession) -> None:
        super().__init__(session)
        self.actor = self.reason = None
        by = session.owner_name or "another process"
        self.args = (f"session {session.session_id} was taken over by {by}",)


class HandedBack(OrderReceived):
    """The process was asked to end: the lease is released, and the session stays open for the next owner."""

    def __init__(self, session: AgentSession) -> None:
        super().__init__(session)
        self.actor = self.reason = None
        self.args = (f"session {session.session_id} is handed back: this process was asked to end",)

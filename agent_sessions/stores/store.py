"""What a store of sessions does, whichever it is. Every method raises StorageUnavailable when it could not do what it says."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from agent_sessions.edits import Writer
from agent_sessions.lease_owner import Lease, Owner
from agent_sessions.models import AgentSession, Head, SessionCheckpoint
from agent_sessions.write_commands import (
    AppendCheckpoint,
    Author,
    Decide,
    FailSilent,
    Taken,
    Transacted,
    Write,
    Written,
)


class Store(Protocol):
    async def create(self, session: AgentSession, text: str, source: str) -> str | None:
        """Stores a new session, and returns its timeline, where there is one. `text` is the session's JSON."""

    async def read(self, session_id: str) -> AgentSession | None: ...

    async def head(self, session_id: str) -> Head | None: ...

    async def foreign_heads(self, session_ids: list[str]) -> list[Head]:
        """The heads of those whose last writer was not this library."""

    async def write(self, write: Write | AppendCheckpoint) -> Written:
        """Raises Rejected when a guard did not hold, StorageUnavailable when it is not known to be stored."""

    async def transact(
        self,
        session_id: str,
        change_id: uuid.UUID,
        decide: Decide,
        *,
        seen_version: int | None = None,
    ) -> Transacted:
        """Stores what `decide` says of the session as it is then (None: nothing); no other write comes in between.

        A change that was stored before under the same id is not stored again. Raises SessionNotFound, and Conflict when
        an order came after `seen_version`.
        """

    async def acknowledge(self, session_id: str, order_version: int, source: str) -> Head:
        """Confirms the order of this version and those before it. Raises SessionNotFound."""

    def fail_stale_batch(self) -> AbstractAsyncContextManager[FailSilent]:
        """What fails one batch of silent sessions after the other."""

    async def flush_beats(
        self, beats: dict[str, datetime], leases: Mapping[str, Lease]
    ) -> list[Head]:
        """Stores heartbeats and renews the leases that are still their owners'; the heads of those that took theirs."""

    async def take_lease(
        self, session_id: str, lease: Lease, source: str, *, dead: str | None, force: bool
    ) -> Taken | None:
        """None when it is not free. `dead` is an owner whose process is known to have ended."""

    async def owner(self, session_id: str) -> Owner | None: ...

    async def release_lease(
        self, session_id: str, lease: Lease, source: str, why: str
    ) -> Head | None:
        """None when another owner has it by now."""

    async def refuse(
        self, session_id: str, author: Author, detail: dict[str, Any], owner_id: str | None
    ) -> int | None:
        """Counts a refused write; the version the session then has. None: it was the step its owner was at."""

    async def refresh_array(self, session_id: str) -> None:
        """Brings the array of checkpoints that older agents read up to date."""

    async def active(
        self, agent_type: str | None, user_id: str | None, after: str, limit: int
    ) -> list[AgentSession]:
        """Active sessions in the order of their ids, after the id `after`, each with its last checkpoint only."""

    def stale(self, max_age: timedelta) -> AsyncIterator[str]:
        """The ids of the active sessions that gave no sign of life for `max_age`, as they are found."""

    async def checkpoints(
        self, session_id: str, after: int, limit: int
    ) -> list[SessionCheckpoint]: ...

    async def count_checkpoints(self, session_id: str, after: int) -> int: ...

    async def checkpoint(
        self, session_id: str, n: int
    ) -> tuple[SessionCheckpoint, int | None] | None:
        """The checkpoint and the version of the context captured with it."""

    async def past_context(
        self, session_id: str, context_version: int
    ) -> dict[str, Any] | None: ...

    async def context_seen(self, session_id: str, version: int) -> dict[str, Any] | None:
        """The context as it was at a version of the session; None where it is not known any more."""

    async def writers_since(self, session_id: str, version: int) -> list[Writer]:
        """Who wrote after a version, the newest first."""

    async def close(self) -> None:
        """Waits for the writes that are on their way."""

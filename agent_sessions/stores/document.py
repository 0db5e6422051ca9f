"""The store without PostgreSQL: the same verbs over one record a session. The same tests and state machine run over both."""

from __future__ import annotations

import copy
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from agent_sessions import reports
from agent_sessions.edits import Writer
from agent_sessions.errors import Conflict, InvalidInput, SessionNotFound
from agent_sessions.lease_owner import Lease, Owner
from agent_sessions.models import AgentSession, Head, SessionCheckpoint
from agent_sessions.states import LIVE_STATES, SessionState
from agent_sessions.stores import document_leases, document_rules
from agent_sessions.stores.document_backends import DocumentBackend, Record
from agent_sessions.write_commands import (
    AppendCheckpoint,
    Author,
    Decide,
    FailSilent,
    Rejected,
    Taken,
    Transacted,
    Write,
    Written,
)

logger = logging.getLogger(__name__)


class DocumentStore:
    def __init__(self, records: DocumentBackend, clock: Callable[[], datetime]) -> None:
        self._documents = records
        self._clock = clock

    async def create(self, session: AgentSession, text: str, source: str) -> str | None:
        kept = session.copy()
        kept.encode = None
        record = Record(kept.mark_clean())
        record.checkpoints = [(c, 1) for c in copy.deepcopy(session.checkpoints)]
        author = Author(session.changed_by, source)
        record.history = [
            document_rules.entry(record.session, None, "created", author, self._clock())
        ]
        await self._documents.save(record)
        return None

    async def read(self, session_id: str) -> AgentSession | None:
        record = await self._documents.load(session_id)
        return record.session if record else None

    async def head(self, session_id: str) -> Head | None:
        record = await self._documents.load(session_id)
        return record.session.head if record else None

    async def foreign_heads(self, session_ids: list[str]) -> list[Head]:
        """None: only this library writes these records."""
        return []

    async def write(self, write: Write | AppendCheckpoint) -> Written:
        guarded = write.write() if isinstance(write, AppendCheckpoint) else write
        stored = await self.transact(write.session_id, write.change_id, lambda _: guarded)
        if stored.repeated:
            raise Rejected
        return Written.of(stored.session)

    async def transact(
        self,
        session_id: str,
        change_id: uuid.UUID,
        decide: Decide,
        *,
        seen_version: int | None = None,
    ) -> Transacted:
        while True:
            record = await self._documents.load(session_id)
            if record is None:
                raise SessionNotFound(session_id)
            if done := document_rules.find_change(record, change_id, decide):
                return Transacted(
                    record.session.mark_clean(),
                    repeated=True,
                    checkpoint_n=done.get("checkpoint_n"),
                )
            try:
                document_rules.require_seen(record, seen_version)
                write = decide(record.session)
            except Conflict as error:
                raise error.name(document_rules.changer(record, error)) from None
            if write is None:
                return Transacted(record.session.mark_clean())
            document_rules.apply(record, write.replace(change_id=change_id), self._clock())
            if await self._documents.save(record):
                return Transacted(record.session.mark_clean())

    async def acknowledge(self, session_id: str, order_version: int, source: str) -> Head:
        decide = reports.acknowledgement(order_version, source)
        return (await self.transact(session_id, uuid.uuid4(), decide)).session.head

    async def flush_beats(
        self, beats: dict[str, datetime], leases: Mapping[str, Lease]
    ) -> list[Head]:
        """The answer brings orders whose announcement was lost: without PostgreSQL nothing else brings them."""
        await self._documents.beat(beats)
        heads = [await self.head(session_id) for session_id in beats]
        return [head for head in heads if head is not None]

    async def take_lease(
        self, session_id: str, lease: Lease, source: str, *, dead: str | None, force: bool
    ) -> Taken | None:
        while record := await self._documents.load(session_id):
            now = self._clock()
            free = document_leases.is_free(record, lease, dead, now)
            if record.session.state not in LIVE_STATES or not (free or force):
                return None
            fenced = document_leases.take(record, lease, source, now)
            if await self._documents.save(record):
                return Taken(record.session.head, fenced)
        return None

    async def owner(self, session_id: str) -> Owner | None:
        record = await self._documents.load(session_id)
        return document_leases.owner(record, self._clock()) if record else None

    async def release_lease(
        self, session_id: str, lease: Lease, source: str, why: str
    ) -> Head | None:
        while record := await self._documents.load(session_id):
            if record.session.owner_id != lease.owner_id:
                return None
            document_leases.release(record, source, why, self._clock())
            if await self._documents.save(record):
                return record.session.head
        return None

    async def refuse(
        self, session_id: str, author: Author, detail: dict[str, Any], owner_id: str | None
    ) -> int | None:
        while record := await self._documents.load(session_id):
            session = record.session
            if document_leases.is_at_its_step(session, owner_id, self._clock()):
                return None
            session.refused_writes += 1
            if not record.history or record.history[-1]["kind"] != "refused":
                session.version += 1
                entry = document_rules.entry(
                    session, session.state, "refused", author, self._clock()
                )
                record.history.append(entry)
            if await self._documents.save(record):
                return session.version
        return None

    @asynccontextmanager
    async def fail_stale_batch(self) -> AsyncIterator[FailSilent]:
        yield self._fail_silent

    async def _fail_silent(
        self,
        session_ids: Sequence[str],
        decide: Decide,
        now: datetime,
        max_age: timedelta,
    ) -> list[Head]:
        heads: list[Head] = []
        for session_id in session_ids:
            before = await self.head(session_id)
            session = (await self.transact(session_id, uuid.uuid4(), decide)).session
            if before is None or session.version > before.version:
                heads.append(session.head)
        return heads

    async def refresh_array(self, session_id: str) -> None:
        """Only this library reads these records, so there is no array for older agents."""

    async def active(
        self, agent_type: str | None, user_id: str | None, after: str, limit: int
    ) -> list[AgentSession]:
        found: list[AgentSession] = []
        async for session in self._sessions():
            if (
                session.state == SessionState.ACTIVE
                and session.session_id > after
                and agent_type in (None, session.agent_type)
                and user_id in (None, session.user_id)
            ):
                session.checkpoints = session.checkpoints[-1:]
                found.append(session)
                if len(found) == limit:
                    break
        return found

    async def stale(self, max_age: timedelta) -> AsyncIterator[str]:
        before = self._clock() - max_age
        async for session in self._sessions():
            if session.state == SessionState.ACTIVE and session.last_heartbeat < before:
                yield session.session_id

    async def _sessions(self) -> AsyncIterator[AgentSession]:
        async for session_id in self._documents.ids():
            try:
                record = await self._documents.load(session_id)
            except InvalidInput as error:
                logger.warning("session %s is passed over: %s", session_id, error)
                continue
            if record is not None:
                yield record.session

    async def checkpoints(self, session_id: str, after: int, limit: int) -> list[SessionCheckpoint]:
        record = await self._documents.load(session_id)
        return [c for c, _ in (record.checkpoints if record else [])][after : after + limit]

    async def count_checkpoints(self, session_id: str, after: int) -> int:
        record = await self._documents.load(session_id)
        return max(len(record.checkpoints) - after, 0) if record else 0

    async def checkpoint(
        self, session_id: str, n: int
    ) -> tuple[SessionCheckpoint, int | None] | None:
        record = await self._documents.load(session_id)
        if record is None or not 1 <= n <= len(record.checkpoints):
            return None
        return record.checkpoints[n - 1]

    async def past_context(self, session_id: str, context_version: int) -> dict[str, Any] | None:
        record = await self._documents.load(session_id)
        return record.past_contexts.get(context_version) if record else None

    async def context_seen(self, session_id: str, version: int) -> dict[str, Any] | None:
        """The context as it was at a version of the session; None where it is not known any more."""
        record = await self._documents.load(session_id)
        if record is None or version > record.session.version:
            return None  # one that is newer was seen before the record was restored
        if record.session.context_version <= version:
            return record.session.context
        past = [known for known in record.past_contexts if known <= version]
        return record.past_contexts[max(past)] if past else None

    async def writers_since(self, session_id: str, version: int) -> list[Writer]:
        """Who wrote after a version, the newest first."""
        record = await self._documents.load(session_id)
        return document_rules.writers_since(record, version) if record else []

    async def close(self) -> None:
        """Nothing is kept open."""

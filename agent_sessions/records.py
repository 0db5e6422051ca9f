"""The store without PostgreSQL: one record a session, in memory or as one JSON document in Valkey.

Follows the rules of write_sessions.sql; the same tests and the same state machine run over both.
"""

from __future__ import annotations

import copy
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from redis.exceptions import RedisError

from agent_sessions import validation
from agent_sessions.errors import (
    Conflict,
    InvalidInput,
    RequestReused,
    SessionNotFound,
    StorageUnavailable,
)
from agent_sessions.models import AgentSession, Head, SessionCheckpoint
from agent_sessions.states import FINAL_STATES, LIVE_STATES, SessionState
from agent_sessions.writes import Append, Author, Decide, FailSilent, Rejected, Write, Written

logger = logging.getLogger(__name__)


@dataclass
class Record:
    """A session with all its checkpoints, its past contexts and its history."""

    session: AgentSession
    # each with the version of its context; None where that was not captured
    checkpoints: list[tuple[SessionCheckpoint, int | None]] = field(default_factory=list)
    past_contexts: dict[int, dict[str, Any]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    revision: int = 0

    def to_json(self) -> str:
        return json.dumps(
            self.session.to_dict()
            | {
                "record": {
                    "checkpoints": [(c.to_dict(), v) for c, v in self.checkpoints],
                    "past_contexts": self.past_contexts,
                    "history": self.history[-1000:],
                    "revision": self.revision,
                }
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes, clock: Callable[[], datetime]) -> Record:
        """Raises InvalidInput for what is no session."""
        stored = validation.from_json(text, "what Valkey holds is no session")
        if not isinstance(stored, dict):
            raise InvalidInput("what Valkey holds is no session: it is not a JSON object")
        rest = stored.get("record")
        session = AgentSession.from_dict(stored)
        session.clock = clock
        if rest is None:
            return cls.adopted(session)
        return cls(
            session.stored(),
            [(SessionCheckpoint.from_dict(c), v) for c, v in rest.get("checkpoints", [])],
            {int(k): v for k, v in rest.get("past_contexts", {}).items()},
            rest.get("history", []),
            rest.get("revision", 0),
        )

    @classmethod
    def adopted(cls, session: AgentSession) -> Record:
        """Written by an older agent, who numbers nothing and keeps no record."""
        for n, checkpoint in enumerate(session.checkpoints, 1):
            checkpoint.id = f"{session.session_id}:{n}"
        session.version = max(session.version, 1)
        session.checkpoint_count = session.checkpoints_through = len(session.checkpoints)
        return cls(session.stored(), [(copy.copy(c), None) for c in session.checkpoints])


class Records(Protocol):
    async def load(self, session_id: str) -> Record | None: ...

    async def save(self, record: Record) -> bool:
        """False when someone else saved a newer one meanwhile."""
        ...

    async def beat(self, beats: dict[str, datetime]) -> None:
        """Rewrites no record."""
        ...

    def ids(self) -> AsyncIterator[str]: ...


class RecordsInMemory:
    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    async def load(self, session_id: str) -> Record | None:
        return copy.deepcopy(self._records.get(session_id))

    async def save(self, record: Record) -> bool:
        known = self._records.get(record.session.session_id)
        if known is not None and known.revision != record.revision:
            return False
        record.revision += 1
        self._records[record.session.session_id] = copy.deepcopy(record)
        return True

    async def beat(self, beats: dict[str, datetime]) -> None:
        for session_id, at in beats.items():
            if record := self._records.get(session_id):
                _beaten(record.session, at)

    async def ids(self) -> AsyncIterator[str]:
        for session_id in sorted(self._records):
            yield session_id


_SAVE = """
local stored = redis.call('GET', KEYS[1])
local revision = 0
if stored then
  local readable, document = pcall(cjson.decode, stored)
  local rest = readable and type(document) == 'table' and document['record']
  revision = rest and rest['revision'] or 0
end
if revision ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[4])
return 1
"""


class RecordsInValkey:
    def __init__(
        self, client: Any, namespace: str, ttl: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._ttl = int(ttl.total_seconds())
        self._clock = clock

    def _key(self, session_id: str) -> str:
        return f"{self._namespace}:session:{session_id}"

    @property
    def _index(self) -> str:
        return f"{self._namespace}:sessions"

    @property
    def _heartbeats(self) -> str:
        return f"{self._namespace}:heartbeats"

    async def load(self, session_id: str) -> Record | None:
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.get(self._key(session_id)).zscore(self._heartbeats, session_id)
                text, beaten = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise StorageUnavailable(f"Valkey did not answer: {error}") from error
        if not text:
            return None
        record = Record.from_json(text, self._clock)
        if beaten is not None:
            _beaten(record.session, datetime.fromtimestamp(beaten / 1000, UTC))
        return record

    async def beat(self, beats: dict[str, datetime]) -> None:
        scores = {session_id: int(at.timestamp() * 1000) for session_id, at in beats.items()}
        try:
            await self._client.zadd(self._heartbeats, scores, gt=True)
        except (RedisError, OSError) as error:
            raise StorageUnavailable(f"Valkey did not answer: {error}") from error

    async def save(self, record: Record) -> bool:
        before, record.revision = record.revision, record.revision + 1
        session_id = record.session.session_id
        try:
            saved = await self._client.eval(
                _SAVE, 2, self._key(session_id), self._index,
                before, record.to_json(), self._ttl, session_id,
            )  # fmt: skip
        except (RedisError, OSError) as error:
            raise StorageUnavailable(f"Valkey did not answer: {error}") from error
        return bool(saved)

    async def ids(self) -> AsyncIterator[str]:
        start = 0
        while page := await self._client.zrange(self._index, start, start + 499):
            for session_id in page:
                yield session_id.decode() if isinstance(session_id, bytes) else session_id
            start += 500


class RecordStore:
    def __init__(self, records: Records, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._clock = clock

    async def create(self, session: AgentSession, text: str, author: Author) -> None:
        record = Record(copy.deepcopy(session).stored())
        record.checkpoints = [(c, 1) for c in copy.deepcopy(session.checkpoints)]
        record.history = [self._entry(record.session, None, "created", author)]
        record.session.changed_by = author.actor
        await self._records.save(record)

    async def read(self, session_id: str) -> AgentSession | None:
        record = await self._records.load(session_id)
        return record.session if record else None

    async def head(self, session_id: str) -> Head | None:
        record = await self._records.load(session_id)
        return record.session.head if record else None

    async def foreign_heads(self, session_ids: list[str]) -> list[Head]:
        """Nobody but this library writes these records."""
        return []

    async def write(self, write: Write | Append) -> Written:
        guarded = write.write() if isinstance(write, Append) else write
        session = await self._change(write.session_id, write.change_id, lambda _: guarded, None)
        return Written(
            session.head,
            session.checkpoint_count,
            session.checkpoints_through,
            session.context_version,
        )

    async def transact(
        self,
        session_id: str,
        change_id: uuid.UUID,
        decide: Decide,
        *,
        seen_version: int | None = None,
    ) -> AgentSession:
        return await self._change(session_id, change_id, decide, seen_version)

    async def _change(
        self,
        session_id: str,
        change_id: uuid.UUID,
        decide: Decide,
        seen_version: int | None,
    ) -> AgentSession:
        while True:
            record = await self._records.load(session_id)
            if record is None:
                raise SessionNotFound(session_id)
            if self._already(record, change_id, decide):
                return record.session
            _require_seen(record, seen_version)
            write = decide(record.session)
            if write is None:
                return record.session
            self._apply(record, write.with_(change_id=change_id))
            if await self._records.save(record):
                return record.session.stored()

    def _already(self, record: Record, change_id: uuid.UUID, decide: Any) -> bool:
        done = [entry for entry in record.history if entry["change_id"] == str(change_id)]
        if not done:
            return False
        request = getattr(decide, "request", None)
        if request is not None and request != done[0]["request"]:
            raise RequestReused(
                "this request id was used before for another request: reload and try again"
            )
        return True

    def _apply(self, record: Record, write: Write) -> None:
        session, now = record.session, self._clock()
        before = session.state
        if (
            (write.epoch is not None and write.epoch != session.epoch)
            or (write.context_seen is not None and write.context_seen != session.context_version)
            or before.value not in write.from_states
        ):
            raise Rejected
        session.version += 1
        session.epoch += write.raise_epoch
        session.changed_by = write.author.actor
        session.change_id = write.change_id
        self._apply_state(session, write, now)
        if write.context is not None:
            record.past_contexts[session.context_version] = session.context
            session.context = copy.deepcopy(write.context)
            session.context_version = session.version
        if write.metadata is not None:
            session.metadata = copy.deepcopy(write.metadata)
        self._apply_checkpoints(record, write)
        self._apply_order(session, write, before, now)
        if write.by_agent:
            session.last_heartbeat = max(session.last_heartbeat, now)
            session.last_progress = session.last_progress if write.acknowledged else now
        record.history.append(self._entry(session, before, write.kind, write.author, write))

    @staticmethod
    def _apply_state(session: AgentSession, write: Write, now: datetime) -> None:
        if write.state == SessionState.DELETED:
            session.state_before_deletion = session.state.value
        elif write.verb == "restore":
            session.state_before_deletion = None
        if write.state is not None:
            session.state = write.state
            ended = write.state in FINAL_STATES
            session.ended_at = (session.ended_at or now) if ended else None

    @staticmethod
    def _apply_checkpoints(record: Record, write: Write) -> None:
        session = record.session
        if write.compressed is not None:
            session.checkpoints = [SessionCheckpoint.from_dict(c) for c in write.compressed]
        for i, added in enumerate(write.added):
            stored = copy.deepcopy(added)
            session.checkpoint_count += 1
            stored.id = f"{session.session_id}:{session.checkpoint_count}"
            stored.stored = True
            context = write.added_contexts[i] if write.added_contexts else None
            record.checkpoints.append(
                (stored, session.context_version if context is None else context)
            )
            if write.compressed is None:
                session.checkpoints.append(stored)
        if write.compressed is not None:
            session.checkpoints_through = session.checkpoint_count

    @staticmethod
    def _apply_order(
        session: AgentSession, write: Write, before: SessionState, now: datetime
    ) -> None:
        if write.verb is not None:
            session.order_version = session.version
            session.order_verb = write.verb
            session.order_actor = write.author.actor
            session.order_reason = write.author.reason
            session.ordered_at = write.added[-1].timestamp if write.added else now
            session.order_checkpoint = write.order_checkpoint
            if before not in LIVE_STATES and session.state not in LIVE_STATES:
                session.acknowledged_version = session.version
        if write.acknowledged is not None and write.acknowledged > session.acknowledged_version:
            session.acknowledged_version = write.acknowledged
            session.acknowledged_at = now

    def _entry(
        self,
        session: AgentSession,
        before: SessionState | None,
        kind: str,
        author: Author,
        write: Write | None = None,
    ) -> dict[str, Any]:
        return {
            "version": session.version,
            "at": self._clock().isoformat(),
            "kind": kind,
            "from_state": before.value if before else None,
            "to_state": session.state.value,
            "actor": author.actor,
            "reason": author.reason,
            "source": author.source,
            "request": write.detail.get("request") if write else None,
            "change_id": str(write.change_id) if write else None,
        }

    async def flush_beats(self, beats: dict[str, datetime]) -> list[Head]:
        await self._records.beat(beats)
        return []

    async def refuse(self, session_id: str, author: Author, detail: dict[str, Any]) -> int | None:
        while record := await self._records.load(session_id):
            session = record.session
            session.refused_writes += 1
            if not record.history or record.history[-1]["kind"] != "refused":
                session.version += 1
                record.history.append(self._entry(session, session.state, "refused", author))
            if await self._records.save(record):
                return session.version
        return None

    @asynccontextmanager
    async def failing_silent(self) -> AsyncIterator[FailSilent]:
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
            session = await self.transact(session_id, uuid.uuid4(), decide)
            if before is None or session.version > before.version:
                heads.append(session.head)
        return heads

    async def refresh_array(self, session_id: str) -> None:
        """Nobody but this library reads these records: nothing to keep compressed for."""

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
        async for session_id in self._records.ids():
            try:
                record = await self._records.load(session_id)
            except InvalidInput as error:
                logger.warning("session %s is passed over: %s", session_id, error)
                continue
            if record is not None:
                yield record.session

    async def checkpoints(self, session_id: str, after: int, limit: int) -> list[SessionCheckpoint]:
        record = await self._records.load(session_id)
        return [c for c, _ in (record.checkpoints if record else [])][after : after + limit]

    async def checkpoint(
        self, session_id: str, n: int
    ) -> tuple[SessionCheckpoint, int | None] | None:
        record = await self._records.load(session_id)
        if record is None or not 1 <= n <= len(record.checkpoints):
            return None
        return record.checkpoints[n - 1]

    async def past_context(self, session_id: str, context_version: int) -> dict[str, Any] | None:
        record = await self._records.load(session_id)
        return record.past_contexts.get(context_version) if record else None

    async def close(self) -> None:
        """Nothing is kept open."""


def _beaten(session: AgentSession, at: datetime) -> None:
    if session.state in LIVE_STATES:
        session.last_heartbeat = max(session.last_heartbeat, at)


def _require_seen(record: Record, seen_version: int | None) -> None:
    if seen_version is None:
        return
    later = [e for e in record.history if e["version"] > seen_version]
    if any(e["kind"] == "order" or e["from_state"] != e["to_state"] for e in later):
        raise Conflict(record.session)

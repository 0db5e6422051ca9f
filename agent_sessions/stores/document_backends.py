"""Records of a manager without PostgreSQL: one a session, in memory or as one JSON document in Valkey."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from agent_sessions import validation
from agent_sessions.basic_errors import InvalidInput, StorageUnavailable
from agent_sessions.keys import Keys
from agent_sessions.models import AgentSession, SessionCheckpoint
from agent_sessions.states import LIVE_STATES
from agent_sessions.tasks import cancellable
from agent_sessions.valkey_client import AWAY

PAGE = 500  # ids that are fetched at once


@dataclass
class Record:
    """A session with all its checkpoints, its past contexts and its history."""

    session: AgentSession
    # each with the version of its context; None where that was not captured
    checkpoints: list[tuple[SessionCheckpoint, int | None]] = field(default_factory=list)
    past_contexts: dict[int, dict[str, Any]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    revision: int = 0
    lease_seconds: float = 0.0  # each heartbeat renews the lease by so many

    def to_json(self) -> str:
        return json.dumps(
            self.session.to_dict()
            | {
                "record": {
                    "checkpoints": [(c.to_dict(), v) for c, v in self.checkpoints],
                    "past_contexts": self.past_contexts,
                    "history": self.history[-1000:],
                    "revision": self.revision,
                    "lease_seconds": self.lease_seconds,
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
        try:
            return cls._numbered(session, rest)
        except (TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(
                f"what Valkey holds is no session: its record cannot be read ({error})"
            ) from None

    @classmethod
    def _numbered(cls, session: AgentSession, rest: dict[str, Any]) -> Record:
        """Raises TypeError, ValueError or AttributeError for what this library did not write."""
        history = [dict(entry) for entry in rest.get("history", [])]
        return cls(
            session.mark_clean(),
            [(SessionCheckpoint.from_dict(c), v) for c, v in rest.get("checkpoints", [])],
            {int(k): dict(v) for k, v in rest.get("past_contexts", {}).items()},
            history,
            int(rest.get("revision", 0)),
            float(rest.get("lease_seconds", 0.0)),
        )

    @classmethod
    def adopted(cls, session: AgentSession) -> Record:
        """A session that an older agent wrote: its checkpoints have no numbers, and it has no history."""
        for n, checkpoint in enumerate(session.checkpoints, 1):
            checkpoint.id = f"{session.session_id}:{n}"
        session.version = max(session.version, 1)
        session.checkpoint_count = session.checkpoints_through = len(session.checkpoints)
        return cls(session.mark_clean(), [(copy.copy(c), None) for c in session.checkpoints])


class DocumentBackend(Protocol):
    async def load(self, session_id: str) -> Record | None: ...

    async def save(self, record: Record) -> bool:
        """False when someone else saved a newer one meanwhile."""
        ...

    async def beat(self, beats: dict[str, datetime]) -> None:
        """Rewrites no record."""
        ...

    def ids(self) -> AsyncIterator[str]: ...


class MemoryBackend:
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
                _beaten(record, at)

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
return 1
"""


class ValkeyBackend:
    def __init__(
        self, client: Any, keys: Keys, ttl: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._keys = keys
        self._ttl = int(ttl.total_seconds())
        self._clock = clock

    async def load(self, session_id: str) -> Record | None:
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.get(self._keys.copy(session_id)).zscore(self._keys.heartbeats, session_id)
                text, beaten = await cancellable(pipeline.execute())
        except AWAY as error:
            raise StorageUnavailable(f"Valkey did not answer: {error}") from error
        if not text:
            return None
        record = Record.from_json(text, self._clock)
        if beaten is not None:
            _beaten(record, datetime.fromtimestamp(beaten / 1000, UTC))
        return record

    async def beat(self, beats: dict[str, datetime]) -> None:
        """Renews the expiry of the records too: a session that only beats does not expire. Removes the beats of expired ones."""
        scores = {session_id: int(at.timestamp() * 1000) for session_id, at in beats.items()}
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.zadd(self._keys.heartbeats, scores, gt=True)
                for session_id in beats:
                    pipeline.expire(self._keys.copy(session_id), self._ttl)
                _, *kept = await cancellable(pipeline.execute())
            gone = [id for id, was_there in zip(beats, kept, strict=True) if not was_there]
            if gone:
                await cancellable(self._client.zrem(self._keys.heartbeats, *gone))
        except AWAY as error:
            raise StorageUnavailable(f"Valkey did not answer: {error}") from error

    async def save(self, record: Record) -> bool:
        before, record.revision = record.revision, record.revision + 1
        session_id = record.session.session_id
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.zadd(self._keys.sessions, {session_id: 0})
                pipeline.eval(
                    _SAVE, 1, self._keys.copy(session_id), before, record.to_json(), self._ttl
                )
                _, saved = await cancellable(pipeline.execute())
        except AWAY as error:
            raise StorageUnavailable(f"Valkey did not answer: {error}") from error
        return bool(saved)

    async def ids(self) -> AsyncIterator[str]:
        start = 0
        while page := await self._page(start):
            for session_id in page:
                yield (
                    session_id
                    if isinstance(session_id, str)
                    else session_id.decode(errors="replace")
                )
            start += PAGE

    async def _page(self, start: int) -> list[str | bytes]:
        try:
            page: list[str | bytes] = await cancellable(
                self._client.zrange(self._keys.sessions, start, start + PAGE - 1)
            )
        except AWAY as error:
            raise StorageUnavailable(f"Valkey did not answer: {error}") from error
        return page


def _beaten(record: Record, at: datetime) -> None:
    session = record.session
    if session.state not in LIVE_STATES:
        return
    session.last_heartbeat = max(session.last_heartbeat, at)
    if session.lease_until is not None:
        session.lease_until = max(session.lease_until, at + timedelta(seconds=record.lease_seconds))

"""The replaced system: a local cache that is never invalidated, and whole-row writes.

Each heartbeat and each change stores the whole session in Valkey with SETEX and in PostgreSQL with an upsert.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg_pool
from psycopg.types.json import Jsonb
from redis.asyncio import Redis

TABLE = """
CREATE TABLE agent_sessions (
    id uuid PRIMARY KEY, agent_type varchar(50) NOT NULL, user_id text, state varchar(20) DEFAULT 'active',
    context jsonb DEFAULT '{}', checkpoints jsonb DEFAULT '[]', created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(), last_heartbeat timestamptz DEFAULT now())
"""

UPSERT = """
INSERT INTO agent_sessions
    (id, agent_type, user_id, state, context, checkpoints, created_at, updated_at, last_heartbeat)
VALUES (%s, %s, %s, %s, %s, %s, %s, NOW(), %s)
ON CONFLICT (id) DO UPDATE SET
    state = EXCLUDED.state, context = EXCLUDED.context, checkpoints = EXCLUDED.checkpoints,
    updated_at = NOW(), last_heartbeat = EXCLUDED.last_heartbeat
"""

SELECT = """
SELECT id, agent_type, user_id, state, context, checkpoints, created_at, last_heartbeat
FROM agent_sessions WHERE id = %s
"""


@dataclass
class Session:
    session_id: str
    agent_type: str
    user_id: str
    state: str = "active"
    context: dict[str, Any] = field(default_factory=dict)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    last_heartbeat: datetime = field(default_factory=lambda: datetime.now(UTC))

    def checkpoint(self, name: str, data: dict[str, Any]) -> None:
        now = datetime.now(UTC)
        self.checkpoints.append({"name": name, "timestamp": now.isoformat(), "data": data})

    def to_dict(self) -> dict[str, Any]:
        return {
            **vars(self),
            "created_at": self.created_at.isoformat(),
            "last_heartbeat": self.last_heartbeat.isoformat(),
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Session:
        return cls(
            **{
                **stored,
                "created_at": datetime.fromisoformat(stored["created_at"]),
                "last_heartbeat": datetime.fromisoformat(stored["last_heartbeat"]),
            }
        )


class WholeRowManager:
    def __init__(
        self,
        redis_client: Redis,
        db_pool: psycopg_pool.AsyncConnectionPool[Any],
        namespace: str,
        session_ttl_hours: int = 24,
    ) -> None:
        self._redis = redis_client
        self._pool = db_pool
        self._namespace = namespace
        self._ttl = session_ttl_hours * 3600
        self._cache: dict[str, Session] = {}

    async def create_session(
        self, agent_type: str, user_id: str = "", context: dict[str, Any] | None = None
    ) -> Session:
        session = Session(str(uuid.uuid4()), agent_type, user_id, context=context or {})
        session.checkpoint("session_created", {"agent_type": agent_type, "user_id": user_id})
        await self._persist(session)
        return session

    async def get_session(self, session_id: str) -> Session | None:
        if session_id in self._cache:
            return self._cache[session_id]
        if text := await self._redis.get(self._key(session_id)):
            session = Session.from_dict(json.loads(text))
            self._cache[session_id] = session
            return session
        stored = await self.read(session_id)
        if stored is not None:
            self._cache[session_id] = stored
            await self._into_valkey(stored)
        return stored

    async def read(self, session_id: str) -> Session | None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(SELECT, (session_id,))
            row = await cursor.fetchone()
        return Session(str(row[0]), *row[1:]) if row else None

    async def update_session(self, session: Session) -> None:
        session.last_heartbeat = datetime.now(UTC)
        await self._persist(session)

    async def heartbeat(self, session_id: str) -> None:
        session = await self.get_session(session_id)
        if session is None:
            raise KeyError(session_id)
        await self.update_session(session)

    async def tick(self) -> None:
        """Does nothing: all writes are synchronous."""

    async def _persist(self, session: Session) -> None:
        self._cache[session.session_id] = session
        await self._into_valkey(session)
        await self.upsert(session)

    async def upsert(self, session: Session) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(
                UPSERT,
                (
                    session.session_id,
                    session.agent_type,
                    session.user_id,
                    session.state,
                    Jsonb(session.context),
                    Jsonb(session.checkpoints),
                    session.created_at,
                    session.last_heartbeat,
                ),
            )

    async def _into_valkey(self, session: Session) -> None:
        await self._redis.setex(
            self._key(session.session_id), self._ttl, json.dumps(session.to_dict())
        )

    def _key(self, session_id: str) -> str:
        return f"{self._namespace}:session:{session_id}"

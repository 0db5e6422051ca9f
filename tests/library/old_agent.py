"""The agents in production: whole-row upserts from a cache that is never invalidated."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

UPSERT = """
INSERT INTO agent_sessions
    (id, agent_type, user_id, state, context, checkpoints, created_at, updated_at, last_heartbeat)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET
    state = EXCLUDED.state, context = EXCLUDED.context, checkpoints = EXCLUDED.checkpoints,
    updated_at = NOW(), last_heartbeat = EXCLUDED.last_heartbeat
"""
TABLE = """
CREATE TABLE agent_sessions (
    id uuid PRIMARY KEY, agent_type varchar(50) NOT NULL, user_id text,
    state varchar(20) DEFAULT 'active', context jsonb DEFAULT '{}', checkpoints jsonb DEFAULT '[]',
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    last_heartbeat timestamptz DEFAULT now())
"""


class OldAgent:
    """`clock_ahead` is how far its machine's clock is ahead; those of production differ from ours."""

    def __init__(
        self,
        sql: psycopg.AsyncConnection[Any],
        valkey: Any = None,
        *,
        clock_ahead: timedelta = timedelta(),
    ) -> None:
        self._sql = sql
        self._valkey = valkey
        self._ahead = clock_ahead
        self.cache: dict[str, Any] = {}

    def now(self) -> str:
        return (datetime.now(UTC) + self._ahead).isoformat()

    async def create(self, agent_type: str = "tutor", **context: Any) -> str:
        session_id = str(uuid.uuid4())
        self.cache = {
            "session_id": session_id,
            "agent_type": agent_type,
            "user_id": "emre",
            "state": "active",
            "created_at": self.now(),
            "last_heartbeat": self.now(),
            "context": context,
            "checkpoints": [],
            "metadata": {},
        }
        self.checkpoint("session_created", agent_type=agent_type)
        await self.save()
        return session_id

    async def load(self, session_id: str) -> None:
        cursor = await self._sql.execute(
            "SELECT id, agent_type, user_id, state, context, checkpoints, created_at, last_heartbeat"
            " FROM agent_sessions WHERE id = %s",
            (session_id,),
        )
        row = await cursor.fetchone()
        assert row is not None
        names = ("session_id", "agent_type", "user_id", "state", "context", "checkpoints")
        self.cache = dict(zip(names, row, strict=False)) | {
            "session_id": session_id,
            "created_at": row[6].isoformat() if row[6] else self.now(),
            "last_heartbeat": row[7].isoformat() if row[7] else self.now(),
            "metadata": {},
        }
        # its from_dict keeps three fields of a checkpoint
        stored = self.cache["checkpoints"] if isinstance(self.cache["checkpoints"], list) else []
        self.cache["checkpoints"] = [
            {k: c.get(k) for k in ("name", "timestamp", "data")}
            for c in stored
            if isinstance(c, dict)
        ]
        if not isinstance(self.cache["context"], dict):
            self.cache["context"] = {}

    def checkpoint(self, name: str, **data: Any) -> None:
        self.cache["checkpoints"].append({"name": name, "timestamp": self.now(), "data": data})

    async def save(self, *, beat: bool = True) -> None:
        c = self.cache
        if beat:
            c["last_heartbeat"] = self.now()
        if self._valkey is not None:
            await self._valkey.set(f"breakpilot:session:{c['session_id']}", json.dumps(c), ex=86400)
        await self._sql.execute(
            UPSERT,
            (
                c["session_id"], c["agent_type"], c["user_id"], c["state"], json.dumps(c["context"]),
                json.dumps(c["checkpoints"]), c["created_at"], c["last_heartbeat"], c["last_heartbeat"],
            ),
        )  # fmt: skip

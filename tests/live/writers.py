"""Writers of sessions: old agents with whole rows, and people with psql."""

from __future__ import annotations

import json
import random
import uuid
from typing import Any

import psycopg

UPSERT = """
INSERT INTO agent_sessions (id, agent_type, user_id, state, context, checkpoints, created_at, updated_at, last_heartbeat)
VALUES (%(id)s, %(agent_type)s, %(user_id)s, %(state)s, %(context)s, %(checkpoints)s, now(), now(), now())
ON CONFLICT (id) DO UPDATE SET state = excluded.state, context = excluded.context,
    checkpoints = excluded.checkpoints, updated_at = now(), last_heartbeat = excluded.last_heartbeat
"""
LOCK_IN_ORDER = (
    "SELECT FROM agent_sessions WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE"
)


def create(
    database_url: str, n: int = 1, *, agent_type: str = "grader", **columns: Any
) -> list[str]:
    ids = [str(uuid.uuid4()) for _ in range(n)]
    with psycopg.connect(database_url) as connection:
        for session_id in ids:
            connection.execute(UPSERT, _row(session_id, agent_type, **columns))
    return ids


def _row(session_id: str, agent_type: str, **columns: Any) -> dict[str, Any]:
    row = {"user_id": "maria", "state": "active", "context": {}, "checkpoints": [], **columns}
    row["context"], row["checkpoints"] = json.dumps(row["context"]), json.dumps(row["checkpoints"])
    return {"id": session_id, "agent_type": agent_type, **row}


def sql(database_url: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def pause(database_url: str, session_id: str) -> None:
    sql(database_url, "UPDATE agent_sessions SET state = 'paused' WHERE id = %s", session_id)


def versions(database_url: str, ids: list[str]) -> dict[str, int]:
    found = sql(
        database_url, "SELECT id::text, version FROM agent_sessions WHERE id = ANY(%s)", ids
    )
    return dict(found)


def write_at_random(database_url: str, ids: list[str], writes: int, seed: int) -> None:
    """Transactions of random length, so that commits overtake each other; half of the changes show in the row."""
    chance = random.Random(seed)
    with psycopg.connect(database_url) as connection:
        for n in range(writes):
            chosen = chance.sample(ids, k=chance.randint(1, 3))
            connection.execute(LOCK_IN_ORDER, (chosen,))
            connection.execute(
                "UPDATE agent_sessions SET context = context || %s, user_id = coalesce(%s, user_id)"
                " WHERE id = ANY(%s::uuid[])",
                (json.dumps({f"writer{seed}": n}), chance.choice((None, f"writer-{n}")), chosen),
            )
            connection.execute("SELECT pg_sleep(%s)", (chance.random() * 0.03,))
            connection.commit()

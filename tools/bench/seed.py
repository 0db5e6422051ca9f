"""Sessions to measure with, the same for every variant."""

from __future__ import annotations

import base64
import json
import random
import uuid
from datetime import UTC, datetime
from typing import Any

import psycopg

from agent_sessions.checkpoints import compress
from agent_sessions.models import SessionCheckpoint
from tools.bench.stage import OLD, Stage

_INSERT = """
INSERT INTO agent_sessions (id, agent_type, user_id, state, context, checkpoints, created_at, updated_at, last_heartbeat)
VALUES (%s, 'grader', 'teacher-1', 'active', %s, %s, now(), now(), now() - interval '1 minute')
"""
_INSERT_OURS = _INSERT.replace("last_heartbeat)", "last_heartbeat, change_source)").replace(
    "'1 minute')", "'1 minute', 'agent')"
)
_COMPRESS = """
UPDATE agent_sessions SET checkpoints = %s, checkpoint_count = %s, checkpoints_through = %s
WHERE id = %s
"""


def payload(size: int, seed: int = 0) -> str:
    """Random text, which compression cannot shrink."""
    return base64.b64encode(random.Random(seed).randbytes(size * 3 // 4)).decode()


def data(size: int = 850, seed: int = 0) -> dict[str, Any]:
    """The data of a checkpoint: 0.9 KB as JSON."""
    return {"essay": seed, "grade": "2+", "remarks": payload(size, seed)}


def context(size: int = 1_700) -> dict[str, Any]:
    return {"class": "7b", "subject": "Deutsch", "notes": payload(size - 60)}


def checkpoints(count: int) -> list[dict[str, Any]]:
    now = datetime.now(UTC).isoformat()
    return [
        {"name": f"essay_{i % 8}", "timestamp": now, "data": data(seed=i)} for i in range(count)
    ]


def sessions(stage: Stage, database: str, count: int, *, earlier: int = 0) -> list[str]:
    """Empties the table, then inserts `count` sessions with earlier checkpoints.

    The old system has them in the array; ours has a row each, and the compressed history in the
    array.
    """
    stage.prepare(database)
    ids = [str(uuid.uuid4()) for _ in range(count)]
    array, notes = json.dumps(checkpoints(earlier)), json.dumps(context())
    with psycopg.connect(stage.url(database), autocommit=True) as connection:
        empty(connection, database)
        with connection.cursor() as cursor:
            cursor.executemany(
                _INSERT if database == OLD else _INSERT_OURS, [(id, notes, array) for id in ids]
            )
        if database != OLD:
            connection.execute("SET session_replication_role = replica")
            with connection.cursor() as cursor:
                cursor.executemany(
                    _COMPRESS, [(_compressed(id, earlier), earlier, earlier, id) for id in ids]
                )
            connection.execute("RESET session_replication_role")
    stage.settle(database)
    return ids


def _compressed(session_id: str, earlier: int) -> str:
    all_of_them = [SessionCheckpoint.from_dict(c) for c in checkpoints(earlier)]
    for n, checkpoint in enumerate(all_of_them, 1):
        checkpoint.id = f"{session_id}:{n}"
    return json.dumps([c.to_dict() for c in compress(all_of_them)])


def empty(connection: psycopg.Connection[Any], database: str) -> None:
    tables = "agent_sessions"
    if database != OLD:
        tables += ", agent_session_checkpoints, agent_session_contexts, agent_session_history, agent_session_counts"
    # the history's trigger refuses TRUNCATE
    connection.execute("SET session_replication_role = replica")
    connection.execute(f"TRUNCATE {tables}")
    connection.execute("RESET session_replication_role")


def as_json(value: Any) -> str:
    return json.dumps(value)


def announced(payload: str) -> list[tuple[str, int]]:
    """The pairs of id and version in one notification."""
    return [(session_id, version) for session_id, version in json.loads(payload)]

"""Large tables, inserted by single statements without triggers, and their counters."""

from __future__ import annotations

import psycopg

from tools.bench.stage import Stage

LIVE = 500
# The newest are live; one in eight of the others has failed, one in ten thousand is in the trash.
SESSIONS = """
INSERT INTO agent_sessions (id, agent_type, user_id, state, context, created_at, updated_at, last_heartbeat,
    last_progress, ended_at, checkpoint_count, checkpoints_through, version, change_kind, change_source)
SELECT (lpad(to_hex(i * 2654435761 %% 4294967296), 8, '0') || '-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid,
    (ARRAY['tutor', 'grader', 'quality-judge', 'alert', 'orchestrator'])[1 + i %% 5], 'teacher-' || i %% 10,
    CASE WHEN i <= %(live)s THEN 'active' WHEN i %% 8 = 0 THEN 'failed' WHEN i %% 10000 = 9999 THEN 'deleted'
        ELSE 'completed' END,
    jsonb_build_object('class', 5 + i %% 8 || chr((97 + i %% 3)::int), 'subject', 'Deutsch', 'essays', i %% 31),
    now() - i * interval '20 s', now() - i * interval '20 s', now() - i * interval '1 ms', now(),
    CASE WHEN i > %(live)s THEN now() - i * interval '20 s' + interval '5 min' END, 1, 1, 1, 'created', 'agent'
FROM generate_series(1::bigint, %(rows)s) AS i
"""
THEIRS = (
    """
INSERT INTO agent_session_checkpoints (session_id, n, name, at, data, version, source)
SELECT id, 1, 'session_created', created_at, '{"agent_type": "grader", "user_id": "teacher-1"}', 1, 'agent'
FROM agent_sessions""",
    """
INSERT INTO agent_session_history (session_id, version, at, kind, to_state, epoch, source)
SELECT id, 1, created_at, 'created', 'active', 0, 'agent' FROM agent_sessions""",
    "INSERT INTO agent_session_counts SELECT agent_type, state, count(*) FROM agent_sessions GROUP BY 1, 2",
)
TABLES = ("sessions", "session_checkpoints", "session_history", "session_counts")


def fill(stage: Stage, database: str, rows: int, *, live: int = LIVE) -> None:
    with psycopg.connect(stage.url(database), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(SESSIONS, {"rows": rows, "live": live})
        for statement in THEIRS:
            connection.execute(statement)
        for table in TABLES:
            connection.execute(f"VACUUM (ANALYZE) agent_{table}")
        connection.execute("CHECKPOINT")

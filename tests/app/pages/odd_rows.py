"""Rows that PostgreSQL can hold: written by hand, or before the migration that adds the checks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from agent_sessions import schema

BIDI = "\u202e\u2066x\u202b" * 12 + "\u2067\u2069"
LONG = "('{\"n\": ' || repeat('9', 100000) || ', \"m\": -1e400, \"f\": ' || repeat('8', 400) || '.5}')::jsonb"
DEEP = "('{\"a\":' || repeat('[', 5000) || repeat(']', 5000) || '}')::jsonb"
MIDDLE = "('{\"a\":' || repeat('{\"b\":', 400) || '1' || repeat('}', 400) || '}')::jsonb"
KEYS = """'{"": 1, "a.b": 2, "\\"": 3, "\\\\u0000": 4, "''": 5, "<b>": 6, "$": {"": {"": 1e-400}}}'::jsonb"""
ENTRIES = """jsonb_build_array(1, null, '[]', '{}'::jsonb,
    jsonb_build_object('name', repeat('n', 1000000), 'timestamp', '2026-01-01T00:00:00+00:00', 'data', '{}'::jsonb),
    jsonb_build_object('name', '', 'timestamp', 'infinity', 'data', '{}'::jsonb),
    jsonb_build_object('name', 'x', 'timestamp', '-infinity', 'data', 5),
    jsonb_build_object('name', 'x', 'timestamp', '0001-01-01T00:00:00+14:00', 'data', 'null'::jsonb),
    jsonb_build_object('name', 'x', 'timestamp', '9999-12-31T23:59:59-12:00', 'data', '{}'::jsonb),
    jsonb_build_object('name', 'x', 'timestamp', repeat('9', 100000), 'data', '{}'::jsonb))"""
ODD_DATA = """('[{"name": "x", "timestamp": "2026-01-01T00:00:00+00:00", "data": {"n": ' || repeat('9', 100000)
    || ', "a": ' || repeat('[', 4000) || repeat(']', 4000) || '}}]')::jsonb"""
MANY = """(SELECT jsonb_agg(jsonb_build_object('name', 'n' || i, 'timestamp', '2026-01-01T00:00:00+00:00', 'data',
    '{}'::jsonb)) FROM generate_series(1, 5000) i)"""
TIMES = (
    "created_at", "updated_at", "last_heartbeat", "last_progress", "ended_at", "ordered_at", "acknowledged_at",
)  # fmt: skip
MOMENTS = ("infinity", "-infinity", "0001-01-01 00:00+00", "294276-12-31 23:59+00", None)
BIGINTS = ("version", "context_version", "order_version", "acknowledged_version", "resent_version")
INTEGERS = (
    "epoch",
    "checkpoint_count",
    "checkpoints_through",
    "order_checkpoint",
    "refused_writes",
)
SMALLINTS = ("parts", "parts_at_work")
WORDS = (
    "order_verb", "order_actor", "order_reason", "change_kind", "change_actor", "change_reason", "change_source",
)  # fmt: skip


def json(text: str) -> sql.SQL:
    return sql.SQL(text)


ODD: dict[str, dict[str, Any]] = {
    "a context of 5,000 levels": {"context": json(DEEP), "metadata": json(DEEP)},
    "a context of 400 levels": {"context": json(MIDDLE), "metadata": json(MIDDLE)},
    "numbers of 100,000 digits": {"context": json(LONG), "metadata": json(LONG)},
    "hostile keys": {"context": json(KEYS), "metadata": json(KEYS), "change_detail": json("'7'")},
    "scalars": {
        "context": json("'7'::jsonb"),
        "metadata": json("'\"text\"'::jsonb"),
        "checkpoints": json("'null'"),
        "their_copies": json("'7'"),
    },
    "nulls": {"context": None, "checkpoints": None, "user_id": None, "state": None},
    "odd checkpoints": {"checkpoints": json(ENTRIES), "metadata": json("'null'::jsonb")},
    "checkpoints with odd data": {"checkpoints": json(ODD_DATA)},
    "many checkpoints": {"checkpoints": json(MANY)},
    "largest numbers": {
        **dict.fromkeys(BIGINTS, 2**63 - 1),
        **dict.fromkeys(INTEGERS, 2**31 - 1),
        **dict.fromkeys(SMALLINTS, 2**15 - 1),
    },
    "negative numbers": dict.fromkeys((*BIGINTS, *INTEGERS, *SMALLINTS), -1),
    "long words": {**dict.fromkeys(WORDS, "x" * 300_000), "user_id": "u" * 100_000},
    "odd words": {**dict.fromkeys(WORDS, BIDI), "agent_type": BIDI[:50], "user_id": "\x01\u2028<b>"},
    "no words": {**dict.fromkeys(WORDS, ""), "agent_type": "", "user_id": ""},
    "an unknown state": {"state": "sleeping", "state_before_deletion": "dreaming"},
    "deleted from nowhere": {"state": "deleted", "state_before_deletion": "dreaming"},
    **{f"times at {moment}": dict.fromkeys(TIMES, moment) for moment in MOMENTS},
}  # fmt: skip


@contextmanager
def before_the_checks(cursor: Any) -> Iterator[None]:
    """Rows stored in this block exist before the checks are added; no trigger applies to them."""
    cursor.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'c' AND conrelid::regclass::text IN"
        " ('agent_sessions', 'agent_session_checkpoints', 'agent_session_history')"
    )
    checks = cursor.fetchall()
    for table, name, _definition in checks:
        cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    cursor.execute("DROP FUNCTION agent_session_readable")
    cursor.execute("SET LOCAL session_replication_role = replica")
    yield
    cursor.execute("SET LOCAL session_replication_role = origin")
    added = schema.migration_sql("0015_stored")
    for table, name, definition in checks:
        if name not in added:
            cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
    cursor.execute(added)


def insert(cursor: Any, columns: dict[str, Any]) -> uuid.UUID:
    id = uuid.uuid4()
    row: dict[str, Any] = {
        "id": id, "agent_type": "grader", "user_id": "maria", "state": "active", "context": Jsonb({"a": 1}),
        **columns,
    }  # fmt: skip
    values = [value if isinstance(value, sql.SQL) else sql.Placeholder() for value in row.values()]
    cursor.execute(
        sql.SQL("INSERT INTO agent_sessions ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(values)
        ),
        [value for value in row.values() if not isinstance(value, sql.SQL)],
    )
    return id

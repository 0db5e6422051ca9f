"""What PostgreSQL and Valkey hold of a session after a run."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis
from psycopg.rows import dict_row

from agent_sessions.keys import NAMESPACE, Keys

ROW = """
SELECT state, version, epoch, context, context_version, checkpoint_count, refused_writes
FROM agent_sessions WHERE id = %s
"""
HISTORY = """
SELECT version, extract(epoch FROM at)::float8 AS at, kind, from_state, to_state, epoch, actor, source,
       detail->>'verb' AS verb, (detail->>'order_version')::bigint AS order_version, change_id::text,
       kind = 'refused' OR coalesce(detail ? 'refused', false) AS refused
FROM agent_session_history WHERE session_id = %s ORDER BY version, at
"""
CHECKPOINTS = """
SELECT n, name, data->>'token' AS token, version FROM agent_session_checkpoints WHERE session_id = %s ORDER BY n
"""
CONTEXTS = """
SELECT context_version, context FROM agent_session_contexts WHERE session_id = %s ORDER BY context_version
"""
COUNTS = """
SELECT state, sum(n)::int FROM (
    SELECT state, n FROM agent_session_counts WHERE agent_type = %(type)s
    UNION ALL SELECT state, -count(*) FROM agent_sessions WHERE agent_type = %(type)s GROUP BY 1) AS both_sides
GROUP BY 1 HAVING sum(n) <> 0
"""


@dataclass(frozen=True)
class RecordedEntry:
    """One entry of the history."""

    version: int
    at: float
    kind: str
    from_state: str | None
    to_state: str
    epoch: int
    actor: str | None = None
    source: str = "agent"
    verb: str | None = None
    order_version: int | None = None
    change_id: str | None = None
    refused: bool = False


@dataclass(frozen=True)
class Stored:
    """A checkpoint; `token` identifies it in its writer's log."""

    n: int
    name: str
    token: str | None
    version: int


@dataclass
class StressRecord:
    session: str
    row: dict[str, Any]
    history: list[RecordedEntry]
    checkpoints: list[Stored] = field(default_factory=list)
    contexts: dict[int, dict[str, Any]] = field(default_factory=dict)
    valkey: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self._entries = {entry.version: entry for entry in self.history}
        self._versions = sorted(self.contexts)

    def entry(self, version: int) -> RecordedEntry | None:
        return self._entries.get(version)

    def context_at(self, version: int) -> dict[str, Any] | None:
        """The context at this version of the session."""
        i = bisect_right(self._versions, version)
        return self.contexts[self._versions[i - 1]] if i else None

    def changes(self) -> list[tuple[RecordedEntry, dict[str, Any], dict[str, Any]]]:
        """Each change of the context: its entry, the context before, the context after."""
        pairs = zip(self._versions, self._versions[1:], strict=False)
        return [
            (self._entries[after], self.contexts[before], self.contexts[after])
            for before, after in pairs
            if after in self._entries
        ]


def read(database_url: str, valkey_url: str, sessions: Sequence[str]) -> list[StressRecord]:
    with (
        psycopg.connect(database_url, row_factory=dict_row) as connection,
        redis.Redis.from_url(valkey_url) as client,
    ):
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return [_record(connection, client, session) for session in sessions]


def _record(
    connection: psycopg.Connection[dict[str, Any]], client: Any, session: str
) -> StressRecord:
    def rows(statement: str) -> list[dict[str, Any]]:
        return connection.execute(statement.encode(), (session,)).fetchall()

    [row] = rows(ROW)
    contexts = {found["context_version"]: found["context"] for found in rows(CONTEXTS)}
    contexts[row["context_version"]] = row["context"]
    copy = client.get(Keys(NAMESPACE).copy(session))
    return StressRecord(
        session,
        row,
        [RecordedEntry(**found) for found in rows(HISTORY)],
        [Stored(**found) for found in rows(CHECKPOINTS)],
        contexts,
        json.loads(copy) if copy else None,
    )


def wrong_counts(database_url: str, agent_type: str) -> dict[str, int]:
    """How far agent_session_counts is from the real counts, by state; only states that differ."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        found = connection.execute(COUNTS.encode(), {"type": agent_type}).fetchall()
    return dict(found)

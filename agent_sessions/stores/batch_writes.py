"""The writes of a group of sessions, stored in one statement and one commit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agent_sessions.basic_errors import StorageUnavailable
from agent_sessions.batching import BatchItem
from agent_sessions.stores.row_mappers import written_from_row, written_from_tuple
from agent_sessions.stores.sql import Connection, fetch, query
from agent_sessions.write_commands import AppendCheckpoint, Rejected, Write, Written

PendingWrite = BatchItem[Write | AppendCheckpoint, Written]

LOCK_SECONDS = 5.0  # how long a write waits for a row that another transaction (psql) keeps locked


async def append(connection: Connection, group: Sequence[PendingWrite]) -> list[PendingWrite]:
    """Stores the writes that only append a checkpoint; returns those that are left. Commits, because the pool may know no autocommit."""
    texts = [w.item.text() for w in group if isinstance(w.item, AppendCheckpoint)]
    if texts:
        values = {"writes": f"[{','.join(texts)}]"}
        cursor = await connection.execute(query("append_checkpoints"), values)
        stored = {row[0]: written_from_tuple(row) for row in await cursor.fetchall()}
        await connection.commit()
        for waiting in group:
            if written := stored.get(waiting.key):
                waiting.resolve(written)
    return [w for w in group if not w.settled]


async def write(connection: Connection, group: Sequence[PendingWrite]) -> list[PendingWrite]:
    """Stores each write that meets its guards; returns those whose row another transaction holds."""
    values = {"writes": json.dumps([as_write(w).row() for w in group])}
    found = {str(row["id"]): row for row in await fetch(connection, "write_sessions", values)}
    await connection.commit()
    return [w for w in group if not _is_settled(w, found.get(w.key))]


def as_write(waiting: PendingWrite) -> Write:
    item = waiting.item
    return item.write() if isinstance(item, AppendCheckpoint) else item


def _is_settled(waiting: PendingWrite, row: dict[str, Any] | None) -> bool:
    if row is None:
        waiting.reject(Rejected())
    elif not row["held"]:
        waiting.resolve(written_from_row(row))
    elif (seconds := waiting.deferred_for()) >= LOCK_SECONDS:
        waiting.reject(
            StorageUnavailable(
                f"somebody has kept the row of session {waiting.key} locked for {seconds:.0f} s"
            )
        )
    else:
        return False
    return True

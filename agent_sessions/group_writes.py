"""The writes of a group of sessions, stored in one statement and one commit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agent_sessions.errors import StorageUnavailable
from agent_sessions.from_rows import appended_of, written_of
from agent_sessions.grouping import Waiting
from agent_sessions.queries import Connection, fetch, query
from agent_sessions.writes import Append, Rejected, Write, Written

PendingWrite = Waiting[Write | Append, Written]

LOCK_SECONDS = 5.0  # a row that somebody keeps locked (psql) is waited for so long


async def append(connection: Connection, group: Sequence[PendingWrite]) -> list[PendingWrite]:
    """Stores what is no more than a checkpoint; those that are left. The pool may know no autocommit."""
    texts = [w.item.text() for w in group if isinstance(w.item, Append)]
    if texts:
        values = {"writes": f"[{','.join(texts)}]"}
        cursor = await connection.execute(query("append_checkpoints"), values)
        stored = {row[0]: appended_of(row) for row in await cursor.fetchall()}
        await connection.commit()
        for waiting in group:
            if written := stored.get(waiting.key):
                waiting.answer(written)
    return [w for w in group if not w.told]


async def write(connection: Connection, group: Sequence[PendingWrite]) -> list[PendingWrite]:
    """Stores each that meets its guards; those whose row somebody else holds."""
    values = {"writes": json.dumps([as_write(w).row() for w in group])}
    found = {str(row["id"]): row for row in await fetch(connection, "write_sessions", values)}
    await connection.commit()
    return [w for w in group if not _is_settled(w, found.get(w.key))]


def as_write(waiting: PendingWrite) -> Write:
    item = waiting.item
    return item.write() if isinstance(item, Append) else item


def _is_settled(waiting: PendingWrite, row: dict[str, Any] | None) -> bool:
    if row is None:
        waiting.refuse(Rejected())
    elif not row["held"]:
        waiting.answer(written_of(row))
    elif (seconds := waiting.held_for()) >= LOCK_SECONDS:
        waiting.refuse(
            StorageUnavailable(
                f"somebody has kept the row of session {waiting.key} locked for {seconds:.0f} s"
            )
        )
    else:
        return False
    return True

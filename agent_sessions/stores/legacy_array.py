"""The array of checkpoints that today's agents read, brought up to date inside the database: no checkpoint is read for it."""

from __future__ import annotations

from typing import NamedTuple

from agent_sessions.checkpoints import compress
from agent_sessions.stores.sql import Connection, fetch


class _Entry(NamedTuple):
    id: str
    name: str


async def keep(connection: Connection, session_id: str) -> bool:
    """Says by their ids what it shall hold; False when some have none, as older agents' own have not."""
    found = await fetch(connection, "read_legacy_array_names", {"id": session_id})
    if not found or not found[0]["newer"]:
        return True  # gone, or brought up to date by another process
    older, newer = found[0]["entries"] or [], found[0]["newer"]
    entries = [_Entry(*entry) for entry in [*older, *newer]]
    if not all(entry.id and entry.name for entry in entries):
        return False
    kept = [entry.id for entry in compress(entries)]
    values = {
        "id": session_id,
        "version": found[0]["version"],
        "through": found[0]["checkpoint_count"],
        "ids": kept,
        "count": len(kept),
    }
    return bool(await fetch(connection, "keep_in_legacy_array", values))

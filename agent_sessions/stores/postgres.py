"""The store in PostgreSQL. Every method raises when it could not do what it says."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agent_sessions.checkpoints import compress
from agent_sessions.errors import SessionNotFound
from agent_sessions.lease_owner import Lease
from agent_sessions.models import AgentSession, Head
from agent_sessions.pool import limit_lock_wait
from agent_sessions.stores import legacy_array
from agent_sessions.stores.postgres_batches import PostgresBatches
from agent_sessions.stores.postgres_reads import PostgresReads
from agent_sessions.stores.postgres_stale import PostgresStale
from agent_sessions.stores.row_mappers import head_from_row
from agent_sessions.stores.sql import fetch
from agent_sessions.transitions import ANY_STATE
from agent_sessions.write_commands import AppendCheckpoint, Author, Taken, Write, Written


class PostgresStore(PostgresBatches, PostgresStale, PostgresReads):
    """The same verbs as every store, each by statements of `agent_sessions/sql/queries/`."""

    async def create(self, session: AgentSession, text: str, source: str) -> str:
        """Returns the timeline. `text` is the session's JSON, encoded once for PostgreSQL and the caches; its author is `changed_by`."""
        row = f'{text[:-1]}, "source": {json.dumps(source)}}}'
        return await self._creates.submit(session.session_id, row)

    async def write(self, write: Write | AppendCheckpoint) -> Written:
        """Raises Rejected when a guard did not hold, StorageUnavailable when it is not known to be stored."""
        return await self.writes.submit(write.session_id, write)

    async def acknowledge(self, session_id: str, order_version: int, source: str) -> Head:
        """Raises SessionNotFound. Repeated when the connection is lost: a second time has no effect."""
        values = {
            "id": session_id,
            "order_version": order_version,
            "source": source,
            "change_id": uuid.uuid4(),
            "states": list(ANY_STATE),
        }

        async def acknowledge() -> list[dict[str, Any]]:
            async with self._connection() as connection, connection.transaction():
                await limit_lock_wait(connection)
                return await fetch(connection, "acknowledge", values)

        rows = await self._again_while_lost(acknowledge)
        head = head_from_row(rows[0]) if rows else await self.head(session_id)
        if head is None:
            raise SessionNotFound(session_id)
        return head

    async def flush_beats(
        self, beats: dict[str, datetime], leases: Mapping[str, Lease]
    ) -> list[Head]:
        """Renews the leases too, of those that are still their owners'."""
        held = [leases.get(session_id) for session_id in beats]
        values = {
            "ids": list(beats),
            "times": list(beats.values()),
            "owners": [lease and lease.owner_id for lease in held],
            "seconds": [lease and lease.seconds for lease in held],
        }
        return [head_from_row(row) for row in await self._rows("flush_heartbeats", values)]

    async def take_lease(
        self, session_id: str, lease: Lease, source: str, *, dead: str | None, force: bool
    ) -> Taken | None:
        """None when it is not free. Repeated when the connection is lost: it is its own owner's then."""
        values = {
            "id": session_id,
            "owner_id": lease.owner_id,
            "owner_name": lease.owner_name,
            "seconds": lease.seconds,
            "source": source,
            "change_id": uuid.uuid4(),
            "dead": dead,
            "force": force,
        }
        rows = await self._again_while_lost(lambda: self._rows("take_lease", values))
        return Taken(head_from_row(rows[0]), rows[0]["fences"]) if rows else None

    async def release_lease(
        self, session_id: str, lease: Lease, source: str, why: str
    ) -> Head | None:
        """None when another owner has it by now."""
        values = {"id": session_id, "owner_id": lease.owner_id, "source": source, "why": why}
        rows = await self._rows("release_lease", values)
        return head_from_row(rows[0]) if rows else None

    async def refuse(
        self, session_id: str, author: Author, detail: dict[str, Any], owner_id: str | None
    ) -> int | None:
        """Count a late write; the version the session then has. None: it was the step its owner was at."""
        rows = await self._rows(
            "refuse_write",
            {
                "id": session_id,
                "actor": author.actor,
                "source": author.source,
                "detail": json.dumps(detail),
                "owner_id": owner_id,
            },
        )
        return rows[0]["version"] if rows else None

    async def refresh_array(self, session_id: str) -> None:
        """Bring the array of today's agents up to date, its entries taken as they stand wherever they can be."""
        async with self._connection() as connection:
            if await legacy_array.keep(connection, session_id):
                return
        session = await self.read(session_id)
        if session is None or session.checkpoint_count == session.checkpoints_through:
            return
        array = [c.to_dict() for c in compress(session.checkpoints)]
        await self._execute(
            "refresh_legacy_array",
            {
                "id": session_id,
                "version": session.version,
                "compressed": json.dumps(array),
                "through": session.checkpoint_count,
            },
        )

    async def close(self) -> None:
        for batcher in (self.writes, self._creates, self._heads, self._reads):
            await batcher.close()

"""Writes that are decided on the locked row: orders, edits, and whatever met a guard."""

from __future__ import annotations

import json
import uuid

from agent_sessions.errors import Conflict, SessionNotFound
from agent_sessions.models import AgentSession
from agent_sessions.pool import limit_lock_wait
from agent_sessions.stores.postgres_retry import PostgresAccess
from agent_sessions.stores.sql import Connection, fetch, query
from agent_sessions.write_commands import Decide, Rejected, Transacted, require_same


class PostgresTransactions(PostgresAccess):
    async def transact(
        self,
        session_id: str,
        change_id: uuid.UUID,
        decide: Decide,
        *,
        seen_version: int | None = None,
    ) -> Transacted:
        """Lock the session, let `decide` say what to write (None: nothing), and return it as it then is.

        A change that was stored before under the same id is not stored again.
        """
        stored: Transacted = await self._again_while_lost(
            lambda: self._transact(session_id, change_id, decide, seen_version)
        )
        return stored

    async def _transact(
        self, session_id: str, change_id: uuid.UUID, decide: Decide, seen_version: int | None
    ) -> Transacted:
        async with self._connection() as connection, connection.transaction():
            await limit_lock_wait(connection)
            await connection.execute(query("lock_sessions"), {"ids": [session_id]})
            session = await self._read(connection, session_id)
            if session is None:
                raise SessionNotFound(session_id)
            done = await fetch(
                connection, "find_change", {"id": session_id, "change_id": change_id}
            )
            if done:
                require_same(done[0], decide)
                return Transacted(session, repeated=True, checkpoint_n=done[0]["checkpoint_n"])
            try:
                await self._require_seen(connection, session, seen_version)
                write = decide(session)
            except Conflict as error:
                raise await self._named(connection, session_id, error) from None
            if write is None:
                return Transacted(session)
            write = write.replace(change_id=change_id)
            if not await fetch(connection, "write_sessions", {"writes": json.dumps([write.row()])}):
                raise Rejected
            stored = await self._read(connection, session_id)
        return Transacted(stored or session)

    async def _require_seen(
        self, connection: Connection, session: AgentSession, seen_version: int | None
    ) -> None:
        if seen_version is None or seen_version == session.version:
            return
        if seen_version > session.version:  # seen before the database was restored
            raise Conflict(session, about="version")
        seen = {"id": session.session_id, "version": seen_version}
        if await fetch(connection, "find_orders_since", seen):
            raise Conflict(session, about="state")

    async def _named(self, connection: Connection, session_id: str, error: Conflict) -> Conflict:
        about = {"id": session_id, "about": error.about, "paths": error.paths}
        rows = await fetch(connection, "find_changer", about)
        return error.name(rows[0]["actor"] if rows else None)

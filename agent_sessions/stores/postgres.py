"""Sessions in PostgreSQL: the truth. Every method raises when it could not do what it says."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import psycopg_pool

from agent_sessions.batching import Batcher, BatchItem, Flush
from agent_sessions.checkpoints import COMPRESS_AFTER, compress
from agent_sessions.edits import Writer
from agent_sessions.errors import (
    Conflict,
    SessionError,
    SessionNotFound,
    StorageUnavailable,
)
from agent_sessions.models import AgentSession, Head, SessionCheckpoint
from agent_sessions.owner import Lease, Owner
from agent_sessions.pool import limit_lock_wait
from agent_sessions.stores import batch_writes, legacy_array
from agent_sessions.stores.batch_writes import PendingWrite
from agent_sessions.stores.row_mappers import (
    checkpoint_from_row,
    head_from_row,
    head_from_tuple,
    number,
    session_from_row,
)
from agent_sessions.stores.sql import Connection, connection_of, errors_of_ours, fetch, query
from agent_sessions.stores.sticky_connection import StickyConnection, give_back, take
from agent_sessions.write_commands import (
    AppendCheckpoint,
    Author,
    Decide,
    FailSilent,
    Rejected,
    Taken,
    Transacted,
    Write,
    Written,
    require_same,
)

logger = logging.getLogger(__name__)

SILENT_AT_ONCE = 200  # are fetched, and failed, while the rest is still looked for
READ_AT_ONCE = 16  # sessions, each of which may have megabytes


class PostgresStore:
    def __init__(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Any],
        clock: Callable[[], datetime],
        *,
        retry_seconds: float = 5.0,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._writes: Batcher[Write | AppendCheckpoint, Written] = Batcher(
            run=self._writing, in_flight=2
        )
        self._creates: Batcher[str, str] = Batcher(run=self._creating, in_flight=2)
        # Reads have no order among them: each is a key of its own, so that none waits for another's answer.
        self._questions = count()
        self._heads: Batcher[str, Head | None] = Batcher(self._flush_heads)
        self._reads: Batcher[str, AgentSession | None] = Batcher(
            self._flush_reads, most=READ_AT_ONCE, in_flight=2
        )

    async def create(self, session: AgentSession, text: str, source: str) -> str:
        """The timeline. `text` is the session's JSON, encoded once for all who keep it; who created it is `changed_by`."""
        row = f'{text[:-1]}, "source": {json.dumps(source)}}}'
        return await self._creates.submit(session.session_id, row)

    async def read(self, session_id: str) -> AgentSession | None:
        return await self._reads.submit(str(next(self._questions)), session_id)

    async def head(self, session_id: str) -> Head | None:
        return await self._heads.submit(str(next(self._questions)), session_id)

    async def heads(self, session_ids: list[str]) -> dict[str, Head]:
        async with self._connection() as connection:
            cursor = await connection.execute(query("read_heads"), {"ids": session_ids})
            return {row[0]: head_from_tuple(row) for row in await cursor.fetchall()}

    async def foreign_heads(self, session_ids: list[str]) -> list[Head]:
        return [
            head_from_row(row)
            for row in await self._rows("read_foreign_heads", {"ids": session_ids})
        ]

    async def write(self, write: Write | AppendCheckpoint) -> Written:
        """Raises Rejected when a guard did not hold, StorageUnavailable when it is not known to be stored."""
        return await self._writes.submit(write.session_id, write)

    def send(
        self,
        write: Write | AppendCheckpoint,
        stored: Callable[[Written], None],
        refused: Callable[[BaseException], None],
    ) -> None:
        """As `write`, for who does not wait: one of the two is called, with what `write` returns or raises."""
        self._writes.send(write.session_id, write, stored, refused)

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

    @asynccontextmanager
    async def fail_stale_batch(self) -> AsyncIterator[FailSilent]:
        """What fails one batch of the silent after the other, on one connection.

        Most of a batch in one statement: no row is locked while Python thinks. The others are locked, decided and
        stored in one commit; one that somebody else holds is left out. Repeated when the connection is lost.
        """
        async with StickyConnection(self._pool) as kept:
            yield partial(self._fail_silent, kept)

    async def _fail_silent(
        self,
        kept: StickyConnection,
        session_ids: Sequence[str],
        decide: Decide,
        now: datetime,
        max_age: timedelta,
    ) -> list[Head]:
        write = decide(AgentSession("", session_id="", last_heartbeat=now - max_age))
        if write is None:
            return []
        values = {
            "ids": list(session_ids),
            "now": now,
            "max_age": max_age,
            "most": COMPRESS_AFTER,
            "write": json.dumps(write.row()),
        }

        async def fail() -> list[dict[str, Any]]:
            async with connection_of(kept) as connection:
                rows = await fetch(connection, "fail_silent", values, prepare=True)
                await connection.commit()
                return rows

        rows = await self._again_while_lost(fail)
        failed = {str(row["id"]): head_from_row(row) for row in rows}
        left = [session_id for session_id in session_ids if session_id not in failed]
        if left:
            careful = partial(self._lock_and_write, kept, left, decide)
            return [*failed.values(), *await self._again_while_lost(careful)]
        return list(failed.values())

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

    async def owner(self, session_id: str) -> Owner | None:
        rows = await self._rows("read_owner", {"id": session_id})
        return Owner(**rows[0]) if rows else None

    async def release_lease(
        self, session_id: str, lease: Lease, source: str, why: str
    ) -> Head | None:
        """None when it is somebody else's by now."""
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
            "refresh_array",
            {
                "id": session_id,
                "version": session.version,
                "compressed": json.dumps(array),
                "through": session.checkpoint_count,
            },
        )

    async def active(
        self, agent_type: str | None, user_id: str | None, after: str, limit: int
    ) -> list[AgentSession]:
        rows = await self._rows(
            "read_active",
            {"agent_type": agent_type, "user_id": user_id, "after": after, "limit": limit},
        )
        return [self._session(row) for row in rows]

    async def stale(self, max_age: timedelta) -> AsyncIterator[str]:
        """The ids of the active sessions that were silent for longer, as they are found."""
        async with (
            self._connection() as connection,
            connection.transaction(),
            connection.cursor("silent") as cursor,
        ):
            cursor.itersize = SILENT_AT_ONCE
            await cursor.execute(query("read_stale"), {"max_age": max_age})
            async for (session_id,) in cursor:
                yield session_id

    async def checkpoints(self, session_id: str, after: int, limit: int) -> list[SessionCheckpoint]:
        rows = await self._rows(
            "read_checkpoints", {"id": session_id, "after": after, "limit": limit}
        )
        return [checkpoint_from_row(row) for row in rows]

    async def checkpoint(
        self, session_id: str, n: int
    ) -> tuple[SessionCheckpoint, int | None] | None:
        """The checkpoint and the version of the context captured with it."""
        rows = await self._rows("read_checkpoint", {"id": session_id, "n": n})
        return (checkpoint_from_row(rows[0]), rows[0]["context_version"]) if rows else None

    async def past_context(self, session_id: str, context_version: int) -> dict[str, Any] | None:
        rows = await self._rows("read_past_context", {"id": session_id, "version": context_version})
        return rows[0]["context"] if rows else None

    async def context_seen(self, session_id: str, version: int) -> dict[str, Any] | None:
        """The context as it was at a version of the session; None where it is not known any more."""
        rows = await self._rows("read_context_seen", {"id": session_id, "version": version})
        if not rows:
            return None
        context = rows[0]["context"]
        return context if isinstance(context, dict) else {}

    async def writers_since(self, session_id: str, version: int) -> list[Writer]:
        """Who wrote after a version, the newest first."""
        rows = await self._rows("read_writers_since", {"id": session_id, "version": version})
        return [
            Writer(row["actor"], row["source"], row["at"], row["paths"], row["everything"])
            for row in rows
        ]

    async def close(self) -> None:
        for batcher in (self._writes, self._creates, self._heads, self._reads):
            await batcher.close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        with errors_of_ours():
            connection = await take(self._pool)
            try:
                async with connection:  # commits; the pool keeps it open
                    yield connection
            finally:
                await give_back(self._pool, connection)

    async def _rows(self, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        async with self._connection() as connection:
            return await fetch(connection, name, parameters)

    async def _execute(self, name: str, parameters: dict[str, Any]) -> None:
        async with self._connection() as connection:
            await connection.execute(query(name), parameters)

    async def _read(self, connection: Connection, session_id: str) -> AgentSession | None:
        found = await self._read_each(connection, [session_id])
        return found[0] if found else None

    async def _read_each(
        self, connection: Connection, session_ids: Sequence[str]
    ) -> list[AgentSession]:
        rows = await fetch(connection, "read_sessions", {"ids": list(session_ids)})
        sessions = [self._session(row) for row in rows]
        for session in sessions:
            if any(c.id is None for c in session.checkpoints):
                unnumbered = {"id": session.session_id}
                numbers = await fetch(connection, "read_checkpoint_numbers", unnumbered)
                number(session, numbers)
        return sessions

    def _session(self, row: dict[str, Any]) -> AgentSession:
        return session_from_row(row, self._clock)

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

    async def _lock_and_write(
        self, kept: StickyConnection, session_ids: Sequence[str], decide: Decide
    ) -> list[Head]:
        async with connection_of(kept) as connection, connection.transaction():
            free = await fetch(connection, "lock_free_sessions", {"ids": list(session_ids)})
            ids = [str(row["id"]) for row in free]
            writes = map(decide, await self._read_each(connection, ids))
            rows = [write.row() for write in writes if write is not None]
            if not rows:
                return []
            written = await fetch(connection, "write_sessions", {"writes": json.dumps(rows)})
        return [head_from_row(row) for row in written]

    async def _require_seen(
        self, connection: Connection, session: AgentSession, seen_version: int | None
    ) -> None:
        if seen_version is None or seen_version == session.version:
            return
        if seen_version > session.version:  # seen before the database was restored
            raise Conflict(session)
        seen = {"id": session.session_id, "version": seen_version}
        if await fetch(connection, "find_orders_since", seen):
            raise Conflict(session, about="state")

    async def _named(self, connection: Connection, session_id: str, error: Conflict) -> Conflict:
        about = {"id": session_id, "about": error.about, "paths": error.paths}
        rows = await fetch(connection, "find_changer", about)
        return error.name(rows[0]["actor"] if rows else None)

    async def _again_while_lost(self, attempt: Callable[[], Any]) -> Any:
        """A lost connection leaves the outcome unknown: every attempt asks first whether it was stored."""
        deadline = asyncio.get_running_loop().time() + self._retry_seconds
        pause = 0.05
        while True:
            try:
                return await attempt()
            except StorageUnavailable as error:
                if asyncio.get_running_loop().time() + pause > deadline:
                    raise
                logger.warning("trying again in %.2f s: %s", pause, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Flush[Write | AppendCheckpoint, Written]]:
        async with StickyConnection(self._pool) as kept:
            yield partial(self._flush_writes, kept)

    async def _flush_writes(
        self, kept: StickyConnection, group: Sequence[PendingWrite]
    ) -> Sequence[PendingWrite]:
        """Those whose row somebody else holds come back: to be tried again, and no other write waits for them."""
        try:
            async with connection_of(kept) as connection:
                left = await batch_writes.append(connection, group)
                return await batch_writes.write(connection, left) if left else []
        except SessionError as error:
            if len(group) > 1 or isinstance(error, StorageUnavailable):
                await asyncio.gather(*(self._settle(w) for w in group if not w.told))
                return []
            raise

    async def _settle(self, waiting: PendingWrite) -> None:
        """One write of a group that failed as a whole, stored once whatever became of the group.

        What was stored before is rejected: the row may hold what others wrote since, which its writer has not seen.
        """
        write = batch_writes.as_write(waiting)
        try:
            stored = await self.transact(write.session_id, write.change_id, _as_guarded(write))
        except Exception as error:
            waiting.reject(Rejected() if isinstance(error, SessionNotFound) else error)
            return
        if stored.repeated:
            waiting.reject(Rejected())
        else:
            waiting.resolve(Written.of(stored.session))

    @asynccontextmanager
    async def _creating(self) -> AsyncIterator[Flush[str, str]]:
        async with StickyConnection(self._pool) as kept:
            yield partial(self._flush_creates, kept)

    async def _flush_creates(
        self, kept: StickyConnection, group: Sequence[BatchItem[str, str]]
    ) -> None:
        values = {"sessions": f"[{','.join(w.item for w in group)}]"}

        async def create() -> str:
            async with connection_of(kept) as connection:
                cursor = await connection.execute(query("create_sessions"), values)
                [(timeline,)] = await cursor.fetchall()
                await connection.commit()
                return str(timeline)

        timeline: str = await self._again_while_lost(create)
        for waiting in group:
            waiting.resolve(timeline)

    async def _flush_heads(self, group: Sequence[BatchItem[str, Head | None]]) -> None:
        heads = await self.heads(list({w.item for w in group}))
        for waiting in group:
            waiting.resolve(heads.get(waiting.item))

    async def _flush_reads(self, group: Sequence[BatchItem[str, AgentSession | None]]) -> None:
        async with self._connection() as connection:
            found = await self._read_each(connection, list({w.item for w in group}))
        sessions = {session.session_id: session for session in found}
        asked: set[str] = set()
        for waiting in group:
            session = sessions.get(waiting.item)
            if session is not None and waiting.item in asked:
                session = session.copy().mark_clean()
            asked.add(waiting.item)
            waiting.resolve(session)


def _as_guarded(write: Write) -> Decide:
    """The guards of write_sessions.sql hold here too: an unmet one must not look like nothing to do.

    It was sent before. Whether that was stored is asked under the lock; if it still comes it has no effect.
    """
    again = write.replace(seen=None, resent=True)
    return lambda session: again

"""Base of the manager's verbs: store, caches and background tasks, with their start and stop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import psycopg_pool

from agent_sessions import argument_checks as check
from agent_sessions import validation
from agent_sessions.change_subscriber import ChangeSubscriber
from agent_sessions.clock import utc_now
from agent_sessions.edit_preview import Editing
from agent_sessions.heartbeats import Heartbeats
from agent_sessions.json_errors import Encode
from agent_sessions.keys import NAMESPACE, Keys
from agent_sessions.leases import Leases
from agent_sessions.listeners import HeadListeners
from agent_sessions.models import AgentSession
from agent_sessions.pool import open_pool
from agent_sessions.publisher import ChangePublisher
from agent_sessions.session_cache import SessionCache
from agent_sessions.session_reader import SessionReader
from agent_sessions.session_writer import SessionWriter
from agent_sessions.stale import StaleSweeper
from agent_sessions.states import LIVE_STATES
from agent_sessions.stores.document import DocumentStore
from agent_sessions.stores.document_backends import MemoryBackend, ValkeyBackend
from agent_sessions.stores.postgres import PostgresStore
from agent_sessions.stores.store import Store
from agent_sessions.usage import LoopBinding, require_async_client, require_async_pool
from agent_sessions.valkey_cache import ValkeyCache
from agent_sessions.valkey_client import close_client, open_client
from agent_sessions.write_commands import Author


class ManagerBase:
    def __init__(
        self,
        redis_client: Any = None,
        db_pool: psycopg_pool.AsyncConnectionPool[Any] | None = None,
        namespace: str = NAMESPACE,
        session_ttl_hours: float = 24,
        *,
        source: str = "agent",
        clock: Callable[[], datetime] = utc_now,
        cache_size: int = 10_000,
        flush_seconds: float = 2.0,
        retry_seconds: float = 5.0,
        encode: Encode | None = None,
    ) -> None:
        if db_pool is not None:
            require_async_pool(db_pool)
        if redis_client is not None:
            require_async_client(redis_client)
        validation.text(namespace, "namespace", validation.MAX_NAMESPACE, required=True)
        check.number(session_ttl_hours, "session_ttl_hours", 0, check.CENTURY_HOURS, above=True)
        check.number(flush_seconds, "flush_seconds", 0, check.DAY, above=True)
        check.number(retry_seconds, "retry_seconds", 0, check.DAY)
        check.whole(cache_size, "cache_size")
        self._binding = LoopBinding()
        ttl = timedelta(hours=session_ttl_hours)
        self.names = Keys(namespace)
        self.source = source
        self.clock = clock
        self.encode = encode
        self._store: Store
        durable = db_pool is not None
        if db_pool is not None:
            self._store = PostgresStore(db_pool, clock, retry_seconds=retry_seconds)
        elif redis_client is not None:
            self._store = DocumentStore(ValkeyBackend(redis_client, self.names, ttl, clock), clock)
        else:
            self._store = DocumentStore(MemoryBackend(), clock)
        self._open_caches(redis_client, ttl, cache_size, durable=durable)
        self._open_parts(flush_seconds, durable=durable)
        self._owned = AsyncExitStack()

    def _open_caches(self, client: Any, ttl: timedelta, size: int, *, durable: bool) -> None:
        """The copies that this process keeps, and how changes are announced to and by it."""
        self._valkey: ValkeyCache | None = None
        self._subscriber: ChangeSubscriber | None = None
        if client is not None:
            self._valkey = ValkeyCache(client, self.names, ttl, durable=durable)
            self._subscriber = ChangeSubscriber(client, self.names)
        self._listeners = HeadListeners()
        self._cache = SessionCache(
            self._subscriber, self._valkey, self._listeners, durable=durable, size=size
        )
        self._publisher = ChangePublisher(self._cache, self._valkey)

    def _open_parts(self, flush_seconds: float, *, durable: bool) -> None:
        """What reads, writes, beats and sweeps, over store and caches."""
        self._heartbeats = Heartbeats(
            self._store,
            self._cache,
            self._publisher,
            self._valkey,
            durable=durable,
            flush_seconds=flush_seconds,
        )
        self._leases = Leases(self._store, self._publisher, self._heartbeats, self.source)
        self._reader = SessionReader(self._store, self._cache, self._valkey)
        self._writer = SessionWriter(self._store, self._cache, self._publisher)
        self._stale_sweeper = StaleSweeper(self._store, self._publisher, self._valkey, self.clock)
        self._editing = Editing(self._store)

    @classmethod
    async def connect(
        cls, database_url: str | None = None, valkey_url: str | None = None, **settings: Any
    ) -> Self:
        """A manager with a pool and a client of its own, closed by `close()`.

        Raises InvalidInput for what is no address, StorageUnavailable when PostgreSQL does not answer; without Valkey
        it goes on. The address of any node of a cluster is enough; `?cluster=true` says so where no node may answer
        yet. Raises StorageMisconfigured for a Valkey before 7.2 or a Redis before 7.
        """
        client = None
        if valkey_url:
            client = await open_client(
                valkey_url, checked=True, socket_connect_timeout=2.0, socket_timeout=5.0
            )
        async with AsyncExitStack() as owned:
            if client is not None:
                owned.push_async_callback(close_client, client)
            pool = await open_pool(database_url) if database_url else None
            if pool is not None:
                owned.push_async_callback(pool.close)
            manager = cls(client, pool, **settings)
            manager._owned = owned.pop_all()
        return manager

    async def close(self) -> None:
        """Write what is still to be written, then stop every task. Raises when the last beats are not stored.

        Does nothing in a forked child process: the connections are the parent's.
        """
        if self._binding.is_copy:
            return
        async with (
            self._owned,
            AsyncExitStack() as stack,
        ):  # each is closed, whatever the others raise
            for part in (self._subscriber, self._valkey):
                if part is not None:
                    stack.push_async_callback(part.close)
            stack.push_async_callback(self._store.close)
            stack.push_async_callback(self._reader.close)
            stack.push_async_callback(self._heartbeats.close)
            stack.push_async_callback(self._publisher.settle)
            await self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def tick(self) -> None:
        """Bring the newest beats into PostgreSQL; happens by itself every few seconds.

        Copies and announcements that were under way are in Valkey when this returns. Raises StorageUnavailable.
        """
        self._binding.check()
        await self._heartbeats.tick()
        await self._publisher.settle()

    def _ready(self, session: AgentSession) -> AgentSession:
        session.clock, session.encode = self.clock, self.encode
        beaten = self._heartbeats.newest(session.session_id)
        if beaten is not None and session.state in LIVE_STATES:
            session.last_heartbeat = max(session.last_heartbeat, beaten)
        return session.mark_clean()

    def _encoded(
        self, value: dict[str, Any], what: str, limit: int = validation.MAX_CONTEXT_BYTES
    ) -> tuple[str, dict[str, Any]]:
        return validation.encoded(value, what, limit, self.encode)

    def _author(self, actor: str | None, reason: str | None, source: str | None) -> Author:
        actor = None if actor is None else validation.text(actor, "actor", validation.MAX_USER)
        reason = None if reason is None else validation.text(reason, "reason")
        return Author(actor, source or self.source, reason)

    def _agent(self, session: AgentSession) -> Author:
        owner_id = session.lease.owner_of_step if session.lease else None
        return Author(session.agent_type, self.source, owner_id=owner_id)

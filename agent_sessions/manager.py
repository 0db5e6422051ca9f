"""SessionManager: what agents and the dashboard call. Each verb is a few lines; the rules are elsewhere."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import psycopg_pool

from agent_sessions import stale, transitions, validation
from agent_sessions.attach import AttachOptions, attach
from agent_sessions.editing import Editing
from agent_sessions.edits import EditPreview
from agent_sessions.errors import (
    CheckpointNotFound,
    Conflict,
    EditConflict,
    SessionNotFound,
    UsageError,
)
from agent_sessions.heartbeats import Heartbeats
from agent_sessions.json_faults import Encode
from agent_sessions.keys import Keys
from agent_sessions.leases import Leases
from agent_sessions.models import AgentSession, Head, SessionCheckpoint, new_session, utc_now
from agent_sessions.persistence import SessionWriter
from agent_sessions.pool import open_pool
from agent_sessions.reader import SessionReader
from agent_sessions.run import Run
from agent_sessions.session_cache import SessionCache
from agent_sessions.stale import StaleSweeper
from agent_sessions.states import CHECKPOINT_NAMES, LIVE_STATES
from agent_sessions.stores.document import DocumentStore
from agent_sessions.stores.document_backends import MemoryBackend, ValkeyBackend
from agent_sessions.stores.postgres import PostgresStore
from agent_sessions.usage import LoopBinding, require_async_client, require_async_pool
from agent_sessions.valkey_client import AWAY, close_client, open_client
from agent_sessions.write_commands import Author

NOWHERE = str(uuid.UUID(int=0))


class SessionManager:
    """Live sessions in Valkey, the durable record in PostgreSQL; in memory with neither.

    `redis_client` is a `redis.asyncio` client (`Redis` or `RedisCluster`), `db_pool` a `psycopg_pool.AsyncConnectionPool`; both stay the
    caller's. Whatever returns has been stored; whatever was not stored raises (see `agent_sessions.errors`).
    `encode` is called for each value that JSON does not know (a datetime, a Decimal) and returns one that it knows:
    that is stored, and the copy holds it from then on.
    """

    def __init__(
        self,
        redis_client: Any = None,
        db_pool: psycopg_pool.AsyncConnectionPool[Any] | None = None,
        namespace: str = "breakpilot",
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
        self._binding = LoopBinding()
        ttl = timedelta(hours=session_ttl_hours)
        self.names = Keys(namespace)
        self.source = source
        self.clock = clock
        self.encode = encode
        self._store: PostgresStore | DocumentStore
        if db_pool is not None:
            self._store = PostgresStore(db_pool, clock, retry_seconds=retry_seconds)
        elif redis_client is not None:
            self._store = DocumentStore(ValkeyBackend(redis_client, self.names, ttl, clock), clock)
        else:
            self._store = DocumentStore(MemoryBackend(), clock)
        durable = db_pool is not None
        self._cache = SessionCache(redis_client, self.names, ttl, durable=durable, size=cache_size)
        self._heartbeats = Heartbeats(
            self._store, self._cache, durable=durable, flush_seconds=flush_seconds
        )
        self._leases = Leases(self._store, self._cache, self._heartbeats, source)
        self._reader = SessionReader(self._store, self._cache)
        self._writer = SessionWriter(self._store, self._cache, clock)
        self._stale_sweeper = StaleSweeper(self._store, self._cache, clock)
        self._editing = Editing(self._store)
        self._owned = AsyncExitStack()

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
            stack.push_async_callback(self._cache.close)
            stack.push_async_callback(self._store.close)
            stack.push_async_callback(self._reader.close)
            stack.push_async_callback(self._heartbeats.close)
            stack.push_async_callback(self._cache.settle)
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

    # --- sessions ---------------------------------------------------------------------------------------------

    async def create_session(
        self,
        agent_type: str,
        user_id: str = "",
        context: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> AgentSession:
        """Raises InvalidInput, StorageUnavailable."""
        self._binding.check()
        context_text, context = self._encoded({} if context is None else context, "context")
        metadata_text, metadata = self._encoded({} if metadata is None else metadata, "metadata")
        session = new_session(agent_type, user_id, context, metadata, self.clock, self.encode)
        text = session.to_json(context_text, metadata_text)
        session.timeline = await self._store.create(session, text, self.source)
        if session.timeline is not None:
            text = f'{text[:-1]}, "timeline": {json.dumps(session.timeline)}}}'
        self._cache.put(session, text=text)
        session.mark_clean()
        return session

    async def get_session(self, session_id: str) -> AgentSession | None:
        """From the local cache, then Valkey, then PostgreSQL. A copy that is not the newest is not used."""
        self._binding.check()
        session = await self._reader.get(validation.session_id(session_id))
        return self._ready(session) if session else None

    async def read(self, session_id: str) -> AgentSession | None:
        """From the durable record, past every cache."""
        self._binding.check()
        session_id = validation.session_id(session_id)
        heard = self._cache.is_subscribed(session_id)
        session = await self._store.read(session_id)
        if session is None:
            return None
        self._cache.enter(session.timeline)
        self._cache.observe(session.head, keep=heard)
        return self._ready(session)

    async def renew(self, session: AgentSession) -> None:
        """Bring a copy up to date, past every cache; what was changed in it and is not stored yet stays.

        Where both changed the same part of the context, the copy keeps its own and its next update raises Conflict.
        """
        self._binding.check()
        validation.session_id(session.session_id)
        await self._writer.renew(session)

    async def update_session(self, session: AgentSession) -> None:
        """Store what changed here: state, context, metadata, new checkpoints. Counts as a heartbeat.

        Changes that others made to other parts of the context are kept and appear in `session`.
        Raises Conflict when the same part was changed, StaleEpoch or SessionEnded when the session was rolled
        back or ended meanwhile, InvalidTransition, InvalidInput, StorageUnavailable. Then nothing was stored.
        """
        self._binding.check()
        validation.session_id(session.session_id)
        session.encode = session.encode or self.encode
        if not await self._writer.save(session, self._agent(session)):
            await self.heartbeat(session.session_id)
        session.last_heartbeat = self.clock()

    async def delete_session(self, session_id: str, *, actor: str = "", reason: str = "") -> bool:
        """Soft delete. True when it was there and was not deleted before."""
        author = self._author(actor or None, reason, None)
        decision = transitions.operator_transition("delete", author, self.clock(), _previous_state)
        try:
            await self._operate(session_id, decision, None, None)
        except SessionNotFound:
            return False
        return decision.wrote

    async def get_active_sessions(
        self, agent_type: str | None = None, user_id: str | None = None, *, limit: int = 1000
    ) -> list[AgentSession]:
        """At most `limit` active sessions, each with its last checkpoint only; `iterate_active_sessions` has all."""
        self._binding.check()
        return await self._active(agent_type, user_id, NOWHERE, limit)

    async def iterate_active_sessions(
        self, agent_type: str | None = None, user_id: str | None = None
    ) -> AsyncIterator[AgentSession]:
        """All active sessions, page by page in the order of their ids."""
        self._binding.check()
        after, page = NOWHERE, 500
        while sessions := await self._active(agent_type, user_id, after, page):
            for session in sessions:
                yield session
            after = sessions[-1].session_id
            if len(sessions) < page:
                return

    async def _active(
        self, agent_type: str | None, user_id: str | None, after: str, limit: int
    ) -> list[AgentSession]:
        sessions = await self._store.active(agent_type, user_id, after, limit)
        for session in sessions:
            session.encode = self.encode
        return sessions

    async def cleanup_stale_sessions(self, max_age: timedelta = timedelta(hours=48)) -> int:
        """Fail active sessions without a heartbeat for `max_age`; how many."""
        self._binding.check()
        return await self._stale_sweeper.fail_stale(max_age)

    async def fail_silent(self, session_id: str, max_age: timedelta) -> bool:
        """Fail one active session unless it gave a sign of life within `max_age` after all."""
        decision = transitions.heartbeat_timeout(stale.AUTHOR, self.clock(), max_age)
        await self._operate(session_id, decision, None, None)
        return decision.wrote

    # --- signs of life ----------------------------------------------------------------------------------------

    async def heartbeat(self, session_id: str) -> Head:
        """The session lives; the answer says whether an order waits. Writes no row.

        Raises SessionNotFound, and StorageUnavailable when neither Valkey nor PostgreSQL took it. The beat of a
        session that has ended changes nothing.
        """
        self._binding.check()
        head = self._cache.head(session_id)
        if head is None:
            session_id = validation.session_id(session_id)
            head = await self.head(session_id)
        if head.state not in LIVE_STATES:
            return head
        await self._heartbeats.beat(session_id, self.clock())
        return self._cache.head(session_id) or head

    async def head(self, session_id: str) -> Head:
        """State, version, epoch and order: known here when every change is heard, else from the store."""
        self._binding.check()
        if known := self._cache.head(session_id):
            return known
        session_id = validation.session_id(session_id)
        followed = await self._cache.follow(session_id)
        head = await self._store.head(session_id)
        if head is None:
            raise SessionNotFound(session_id)
        self._cache.observe(head, keep=followed)
        return head

    async def tick(self) -> None:
        """Bring the newest beats into PostgreSQL; happens by itself every few seconds. Valkey has heard of all else then."""
        self._binding.check()
        await self._heartbeats.tick()
        await self._cache.settle()

    async def count_beats(self, slots: Sequence[int]) -> list[int] | None:
        """How many beats of all sessions Valkey took in each slot of ten seconds; None while it is away.

        A slot is named by its first second since the epoch; a day and an hour are kept.
        """
        self._binding.check()
        if self._cache.copies is None:
            return None
        try:
            return await self._cache.copies.count_beats(slots)
        except AWAY:
            return None

    # --- an operator's verbs ----------------------------------------------------------------------------------

    async def order(self, verb: str, session_id: str, *values: Any, **who: Any) -> AgentSession:
        """The verb of this name: its own method, where it has one, with `values` and `who`; else its transition alone.

        Raises UsageError for a name that is no verb.
        """
        if verb not in CHECKPOINT_NAMES:
            raise UsageError(f"{verb!r} is no verb: there are {', '.join(CHECKPOINT_NAMES)}")
        if method := getattr(self, verb, None):
            ordered: AgentSession = await method(session_id, *values, **who)
            return ordered
        return await self._order(verb, session_id, lambda _: {}, **who)

    async def pause(self, session_id: str, **who: Any) -> AgentSession:
        return await self._order("pause", session_id, _previous_state, **who)

    async def resume(self, session_id: str, **who: Any) -> AgentSession:
        return await self._order("resume", session_id, lambda _: {}, **who)

    async def complete(
        self, session_id: str, result: Any = None, *, actor: str | None = None, **who: Any
    ) -> AgentSession:
        _, data = self._encoded({"result": result}, "result", validation.MAX_DATA_BYTES)
        return await self._order(
            "complete", session_id, lambda _: data, actor=actor, body=data, **who
        )

    async def fail(
        self,
        session_id: str,
        error: str,
        error_details: Any = None,
        *,
        actor: str | None = None,
        **who: Any,
    ) -> AgentSession:
        told = {"error": validation.text(error, "error"), "details": error_details}
        _, data = self._encoded(told, "error_details", validation.MAX_DATA_BYTES)
        return await self._order("fail", session_id, lambda _: data, actor=actor, body=data, **who)

    async def delete(self, session_id: str, **who: Any) -> AgentSession:
        """Soft delete; repeating it is harmless."""
        return await self._order("delete", session_id, _previous_state, **who)

    async def restore(
        self,
        session_id: str,
        *,
        actor: str | None,
        reason: str | None = None,
        request_id: uuid.UUID | None = None,
        seen_version: int | None = None,
        source: str | None = None,
    ) -> AgentSession:
        """Bring a deleted session back, to the state before."""
        decision = transitions.restore(self._author(actor, reason, source), self.clock())
        return await self._operate(session_id, decision, request_id, seen_version)

    async def rollback(
        self,
        session_id: str,
        checkpoint_id: str | int,
        *,
        actor: str | None,
        reason: str | None = None,
        request_id: uuid.UUID | None = None,
        seen_version: int | None = None,
        source: str | None = None,
    ) -> AgentSession:
        """Back to a checkpoint: context restored where it was captured, epoch raised, agent told to restart."""
        session_id = validation.session_id(session_id)
        target = await self._target(session_id, checkpoint_id)
        author, now = self._author(actor, reason, source), self.clock()
        decision = transitions.rollback(author, now, *target)
        try:
            return await self._operate(session_id, decision, request_id, seen_version)
        except Conflict as error:
            if error.about != "context":
                raise
        # The checkpoint's context was still the session's when it was read, and the agent has replaced it since.
        decision = transitions.rollback(author, now, *await self._target(session_id, checkpoint_id))
        return await self._operate(session_id, decision, request_id, seen_version)

    async def edit(
        self,
        session_id: str,
        *,
        context: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        actor: str | None,
        reason: str | None = None,
        seen_version: int | None = None,
        seen_metadata: dict[str, Any] | None = None,
        request_id: uuid.UUID | None = None,
        source: str | None = None,
    ) -> AgentSession:
        """An administrator's edit: what differs from what was loaded is brought onto what is there now.

        `seen_version` says what was loaded: a version of the session. Past metadata is not kept, so its text as it
        was loaded is `seen_metadata`. Raises EditConflict when one of the changed paths was changed by someone
        else; lists count as one value. Without both, context and metadata replace what is there.
        """
        self._binding.check()
        if context is not None:
            _, context = self._encoded(context, "context")
        if metadata is not None:
            _, metadata = self._encoded(metadata, "metadata")
        wanted = await self._editing.wanted(
            session_id, context, metadata, seen_version, seen_metadata
        )
        author = self._author(actor, reason, source)
        decision = transitions.edit(author, wanted, [context, metadata])
        try:
            return await self._operate(session_id, decision, request_id, None)
        except EditConflict as error:
            raise await self._editing.signed(error, seen_version) from None

    async def preview_edit(
        self,
        session_id: str,
        *,
        context: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        seen_version: int | None = None,
        seen_metadata: dict[str, Any] | None = None,
    ) -> EditPreview:
        """What `edit` would do now, conflicts included; nothing is stored."""
        self._binding.check()
        session_id = validation.session_id(session_id)
        wanted = await self._editing.wanted(
            session_id, context, metadata, seen_version, seen_metadata
        )
        return await self._editing.preview(session_id, wanted, seen_version)

    async def acknowledge(self, session_id: str, order_version: int) -> None:
        """The agent has obeyed the order that this version made."""
        self._binding.check()
        session_id = validation.session_id(session_id)
        head = await self._writer.acknowledge(session_id, order_version, self.source)
        if head is not None:
            await self._cache.publish(head)

    async def count_attempt(
        self, session: AgentSession, attempts: int, detail: dict[str, Any]
    ) -> None:
        """So many attempts of this session's work have failed and left it open."""
        self._binding.check()
        head = await self._writer.count_attempt(session, attempts, detail, self.source)
        await self._cache.publish(head)

    async def report_parts(
        self, session_id: str, order_version: int, parts: int, at_work: int
    ) -> None:
        """The run has so many parts, and so many of them keep the order from being confirmed."""
        self._binding.check()
        counted = parts, at_work
        head = await self._writer.report_parts(session_id, order_version, counted, self.source)
        await self._cache.publish(head)

    async def _order(
        self,
        verb: str,
        session_id: str,
        data: Callable[[AgentSession], dict[str, Any]],
        *,
        actor: str | None,
        reason: str | None = None,
        request_id: uuid.UUID | None = None,
        seen_version: int | None = None,
        source: str | None = None,
        body: object = None,
    ) -> AgentSession:
        author = self._author(actor, reason, source)
        decision = transitions.operator_transition(verb, author, self.clock(), data, body)
        return await self._operate(session_id, decision, request_id, seen_version)

    async def _operate(
        self,
        session_id: str,
        decision: transitions.Transition,
        request_id: uuid.UUID | None,
        seen_version: int | None,
    ) -> AgentSession:
        self._binding.check()
        stored = await self._store.transact(
            validation.session_id(session_id),
            request_id or uuid.uuid4(),
            decision,
            seen_version=seen_version,
        )
        session = stored.session
        await self._cache.publish(session.head)
        session.encode = self.encode
        return session

    # --- looking back -----------------------------------------------------------------------------------------

    async def get_checkpoints(
        self, session_id: str, *, after: int = 0, limit: int = 200
    ) -> list[SessionCheckpoint]:
        """All that were ever stored, compressed away or not, in order."""
        self._binding.check()
        return await self._store.checkpoints(validation.session_id(session_id), after, limit)

    async def get_context_at(self, session_id: str, context_version: int) -> dict[str, Any] | None:
        self._binding.check()
        session_id = validation.session_id(session_id)
        past = await self._store.past_context(session_id, context_version)
        if past is not None:
            return past
        session = await self._store.read(session_id)
        current = session is not None and session.context_version == context_version
        return session.context if session is not None and current else None

    async def preview_rollback(
        self, session_id: str, checkpoint_id: str | int
    ) -> transitions.RollbackPreview:
        """What a rollback would do: the context before and after, and the checkpoints that fall behind."""
        session_id = validation.session_id(session_id)
        to, version, past = await self._target(session_id, checkpoint_id)
        session = await self._store.read(session_id)
        if session is None:
            raise SessionNotFound(session_id)
        later = await self._store.checkpoints(session_id, to.n or 0, 1000)
        return transitions.RollbackPreview(
            checkpoint=to,
            context_captured=version is not None,
            before=session.context,
            after=session.context if past is None else past,
            later=later,
        )

    async def restart_point(self, session: AgentSession) -> SessionCheckpoint | None:
        """Where the agent starts again: its own newest checkpoint that counts, whatever was ordered since a rollback."""
        self._binding.check()
        n = transitions.rolled_back_to(session.checkpoints)
        if n is None:
            return transitions.newest_own(session.checkpoints)
        known = await self._store.checkpoint(session.session_id, n)
        if known is not None and not transitions.is_automatic(known[0]):
            return known[0]
        return transitions.restart_point(session.checkpoints, n)

    async def _target(
        self, session_id: str, checkpoint_id: str | int
    ) -> tuple[SessionCheckpoint, int | None, dict[str, Any] | None]:
        self._binding.check()
        n = transitions.checkpoint_number(session_id, checkpoint_id)
        found = await self._store.checkpoint(session_id, n)
        if found is None:
            if await self._store.head(session_id) is None:
                raise SessionNotFound(session_id)
            raise CheckpointNotFound(str(checkpoint_id))
        to, version = found
        past = None if version is None else await self._store.past_context(session_id, version)
        return to, version, past

    # --- the agent's loop -------------------------------------------------------------------------------------

    def attach(
        self,
        session_id: str,
        *,
        interval: float = 10.0,
        complete: bool = True,
        wait: float | None = None,
        take_over: bool = False,
        retry_on: type[Exception] | tuple[type[Exception], ...] = (),
        attempts: int = 5,
        stop_on_sigterm: bool = False,
        interrupt: bool = False,
    ) -> AbstractAsyncContextManager[Run]:
        """`async with manager.attach(id) as run`: beats in the background, safe points in `run`.

        One process at a time: another one is waited for `wait` seconds (None: until its lease has run out, unless it
        is renewed), then SessionOwned; `take_over=True` sends it away. An error of `retry_on` leaves the session open
        until it was the `attempts`th. `stop_on_sigterm`: SIGTERM hands the session back at the next safe point.
        `interrupt`: what ends the work cancels the block at once instead of at its next safe point.
        """
        self._binding.check()
        options = AttachOptions(
            interval, complete, wait, take_over, retry_on, attempts, stop_on_sigterm, interrupt
        )
        session_id = validation.session_id(session_id)
        return attach(self, self._cache, self._leases, session_id, options)

    async def announce(self, session_ids: Iterable[str]) -> None:
        """Tell every process of changes that their writers told nobody (psql, older agents)."""
        self._binding.check()
        heads = await self._store.foreign_heads(list(session_ids))
        for head in heads:
            self._cache.observe(head, keep=False)
        await self._cache.publish_all(heads)

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
        actor = None if actor is None else validation.text(actor, "actor", 320)
        reason = None if reason is None else validation.text(reason, "reason")
        return Author(actor, source or self.source, reason)

    def _agent(self, session: AgentSession) -> Author:
        return Author(session.agent_type, self.source)


def _previous_state(session: AgentSession) -> dict[str, Any]:
    return {"previous_state": session.state.value}

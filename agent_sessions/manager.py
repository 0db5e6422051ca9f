"""SessionManager: the API for agents and the dashboard. The rules are in other modules."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from agent_sessions import argument_checks as check
from agent_sessions import reports, transitions, validation
from agent_sessions.attach import attach
from agent_sessions.attach_options import MAX_ATTEMPTS, AttachOptions
from agent_sessions.errors import SessionNotFound
from agent_sessions.models import AgentSession, Head, SessionCheckpoint
from agent_sessions.new_session import new_session
from agent_sessions.operator_verbs import OperatorVerbs
from agent_sessions.run import Run
from agent_sessions.states import LIVE_STATES
from agent_sessions.valkey_client import AWAY
from agent_sessions.write_commands import Decide

NOWHERE = str(uuid.UUID(int=0))


class SessionManager(OperatorVerbs):
    """Sessions in PostgreSQL with a cache in Valkey; with only one of them, in that; with neither, in memory.

    `redis_client` is a `redis.asyncio` client (`Redis` or `RedisCluster`), `db_pool` a
    `psycopg_pool.AsyncConnectionPool`; the caller closes both. A call that returns has stored its write; otherwise it
    raises (see `agent_sessions.errors`). `encode` is called for each value that JSON does not know (a datetime, a
    Decimal); its result is stored, and replaces the value in the copy.
    """

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
        """From the local cache, then Valkey, then PostgreSQL; None when there is no such session.

        A copy that is not the newest is not used. Raises InvalidInput, StorageUnavailable.
        """
        self._binding.check()
        session = await self._reader.get(validation.session_id(session_id))
        return self._ready(session) if session else None

    async def read(self, session_id: str) -> AgentSession | None:
        """From the durable record, past every cache; None when there is no such session. Raises InvalidInput, StorageUnavailable."""
        self._binding.check()
        session_id = validation.session_id(session_id)
        followed = self._cache.is_subscribed(session_id)
        session = await self._store.read(session_id)
        if session is None:
            return None
        self._cache.observe(session.head, keep=followed)
        return self._ready(session)

    async def renew(self, session: AgentSession) -> None:
        """Brings a copy up to date from the store; unsaved changes in it stay.

        If both changed the same path, the copy keeps its value and its next update raises Conflict.
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

    async def get_active_sessions(
        self, agent_type: str | None = None, user_id: str | None = None, *, limit: int = 1000
    ) -> list[AgentSession]:
        """At most `limit` active sessions, each with its last checkpoint only; `iterate_active_sessions` has all."""
        self._binding.check()
        check.whole(limit, "limit")
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
        """Fail active sessions without a heartbeat for `max_age`; returns how many. Raises StorageUnavailable."""
        self._binding.check()
        check.age(max_age, "max_age")
        return await self._stale_sweeper.fail_stale(max_age)

    # --- heartbeats and orders --------------------------------------------------------------------

    async def heartbeat(self, session_id: str) -> Head:
        """Records a heartbeat; the returned head shows whether an order is not confirmed yet. Writes no row.

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
        """State, version, epoch and order. Raises SessionNotFound, StorageUnavailable.

        From the cache while every change of this session is announced to this process, else from the store.
        """
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

    async def count_beats(self, slots: Sequence[int]) -> list[int | None] | None:
        """How many beats of all sessions Valkey took in each slot of ten seconds; None while it is away.

        A slot is named by its first second since the epoch; a day and an hour are kept. It is None if Valkey has counted
        only since a later one: it was empty or lost its data.
        """
        self._binding.check()
        for slot in slots:
            check.whole(slot, "a slot")
        if self._valkey is None:
            return None
        try:
            return await self._valkey.count_beats(slots)
        except AWAY:
            return None

    async def acknowledge(self, session_id: str, order_version: int) -> None:
        """The agent has obeyed the order of this version. Raises SessionNotFound, StorageUnavailable; repeating it has no effect."""
        self._binding.check()
        session_id = validation.session_id(session_id)
        check.whole(order_version, "order_version")
        head = await self._store.acknowledge(session_id, order_version, self.source)
        await self._publisher.publish(head)

    async def count_attempt(
        self, session: AgentSession, attempts: int, detail: dict[str, Any]
    ) -> None:
        """Record that `attempts` attempts of this session's work have failed and left it open. `detail` goes into the history."""
        self._binding.check()
        check.whole(attempts, "attempts", 1, MAX_ATTEMPTS)
        decide = reports.failed_attempt(session.epoch, attempts, detail, self.source)
        await self._report(session.session_id, decide)

    async def report_parts(
        self, session_id: str, order_version: int, parts: int, at_work: int
    ) -> None:
        """Records how many parts a run has, and how many of them delay confirming the order of `order_version`."""
        self._binding.check()
        check.whole(order_version, "order_version")
        check.whole(parts, "parts")
        check.whole(at_work, "at_work")
        decide = reports.parts_at_work(order_version, (parts, at_work), self.source)
        await self._report(session_id, decide)

    async def _report(self, session_id: str, decide: Decide) -> None:
        stored = await self._store.transact(session_id, uuid.uuid4(), decide)
        await self._publisher.publish(stored.session.head)

    # --- looking back -----------------------------------------------------------------------------------------

    async def get_checkpoints(
        self, session_id: str, *, after: int = 0, limit: int = 200
    ) -> list[SessionCheckpoint]:
        """At most `limit` checkpoints after number `after`, in order, including those that compression dropped."""
        self._binding.check()
        session_id = validation.session_id(session_id)
        check.whole(after, "after")
        check.whole(limit, "limit")
        return await self._store.checkpoints(session_id, after, limit)

    async def get_context_at(self, session_id: str, context_version: int) -> dict[str, Any] | None:
        self._binding.check()
        session_id = validation.session_id(session_id)
        check.whole(context_version, "context_version")
        past = await self._store.past_context(session_id, context_version)
        if past is not None:
            return past
        session = await self._store.read(session_id)
        current = session is not None and session.context_version == context_version
        return session.context if session is not None and current else None

    async def restart_point(self, session: AgentSession) -> SessionCheckpoint | None:
        """Where the agent starts again: its newest own checkpoint that counts, even if orders followed a rollback."""
        self._binding.check()
        n = transitions.rolled_back_to(session.checkpoints)
        if n is None:
            return transitions.newest_own(session.checkpoints)
        known = await self._store.checkpoint(session.session_id, n)
        if known is not None and not transitions.is_automatic(known[0]):
            return known[0]
        return transitions.restart_point(session.checkpoints, n)

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
        is renewed), then SessionOwned; `take_over=True` takes the lease from the other process. An error of `retry_on`
        leaves the session open until it was the `attempts`th. `stop_on_sigterm`: SIGTERM hands the session back at the
        next safe point. `interrupt`: what ends the work cancels the block at once instead of at its next safe point.
        """
        self._binding.check()
        options = AttachOptions(
            interval, complete, wait, take_over, retry_on, attempts, stop_on_sigterm, interrupt
        )
        session_id = validation.session_id(session_id)
        return attach(self, self._listeners, self._leases, session_id, options)

    async def announce(self, session_ids: Iterable[str]) -> None:
        """Announces to every process the changes that were written without this library (by psql or old agents)."""
        self._binding.check()
        heads = await self._store.foreign_heads(list(session_ids))
        for head in heads:
            self._cache.observe(head, keep=False)
        await self._publisher.publish_all(heads)

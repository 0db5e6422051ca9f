"""Heartbeats: into Valkey at once, into PostgreSQL every few seconds, several in one statement."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from datetime import datetime

from agent_sessions import tasks
from agent_sessions.basic_errors import SessionNotFound, StorageUnavailable
from agent_sessions.lease_owner import Lease
from agent_sessions.publisher import ChangePublisher
from agent_sessions.session_cache import SessionCache
from agent_sessions.states import LIVE_STATES
from agent_sessions.stores.store import Store
from agent_sessions.valkey_cache import ValkeyCache
from agent_sessions.valkey_client import AWAY

logger = logging.getLogger(__name__)

# session id, and a future that is done once its heartbeat has been sent
Caller = tuple[str, asyncio.Future[None]]


class Heartbeats:
    def __init__(
        self,
        store: Store,
        cache: SessionCache,
        publisher: ChangePublisher,
        valkey: ValkeyCache | None,
        *,
        durable: bool,
        flush_seconds: float,
    ) -> None:
        self._store = store
        self._cache = cache
        self._publisher = publisher
        self._valkey = valkey
        self._durable = durable
        self._flush_seconds = flush_seconds
        # leases of runs in this process, renewed by their sessions' heartbeats
        self.leases: dict[str, Lease] = {}
        self._waiting: dict[str, datetime] = {}
        self._flushing = asyncio.Lock()
        self._gathered: dict[str, datetime] = {}
        self._callers: list[Caller] = []
        self._sender: asyncio.Task[None] | None = None
        self._flusher: asyncio.Task[None] | None = None
        publisher.on_unpublished = self.start

    async def beat(self, session_id: str, at: datetime) -> None:
        """Sends a heartbeat. Those that come while a batch is in flight form the next; the last of a session counts.

        Raises SessionNotFound if there is no PostgreSQL and the store does not have the session any more.
        """
        self._gathered[session_id] = at
        caller = asyncio.get_running_loop().create_future()
        self._callers.append((session_id, caller))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_batches(), name="agent_sessions sender")
        await caller

    def newest(self, session_id: str) -> datetime | None:
        """A heartbeat that PostgreSQL does not have yet."""
        return self._waiting.get(session_id)

    async def tick(self) -> None:
        """Stores the newest heartbeats in PostgreSQL, and repeats failed announcements."""
        async with self._flushing:  # also waits for heartbeats that another tick is storing
            beats, self._waiting = self._waiting, {}
            try:
                heads = await self._store.flush_beats(beats, self.leases) if beats else []
            except BaseException:
                self._waiting = {**beats, **self._waiting}
                raise
            for head in heads:
                self._cache.observe(head)
                beats.pop(head.session_id, None)
            for session_id, at in beats.items():
                await self._keep_if_alive(session_id, at)
            await self._publisher.publish_unpublished()

    async def _keep_if_alive(self, session_id: str, at: datetime) -> None:
        """Keeps a heartbeat that was not stored because the row was locked; not one of an ended session."""
        head = await self._store.head(session_id)
        if head is None:
            self._cache.forget(session_id)
            return
        self._cache.observe(head)
        if head.state in LIVE_STATES:
            self._waiting.setdefault(session_id, at)

    def start(self) -> None:
        """Flush from now on; further calls have no effect."""
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush_for_ever(), name="agent_sessions beats")

    async def close(self) -> None:
        """Raises StorageUnavailable when the last beats are not stored."""
        if self._flusher is not None:
            await tasks.cancel_and_wait(self._flusher)
            self._flusher = None
        if self._sender is not None:
            await asyncio.gather(self._sender, return_exceptions=True)
        if self._waiting:
            await self.tick()

    async def _send_batches(self) -> None:
        try:
            while self._gathered:
                beats, self._gathered = self._gathered, {}
                callers, self._callers = self._callers, []
                try:
                    gone = await self._send(beats)
                except BaseException as error:
                    _answer(callers, error)
                    if not isinstance(error, Exception):
                        raise
                else:
                    _answer(callers, None, gone)
        finally:
            self._sender = None

    async def _send(self, beats: dict[str, datetime]) -> set[str]:
        """Returns the sessions that are not stored any more."""
        gone: set[str] = set()
        if self._durable:
            self._waiting.update(beats)
            self.start()
        else:
            heads = await self._store.flush_beats(beats, self.leases)
            for head in heads:
                self._cache.observe(head)
            gone = beats.keys() - {head.session_id for head in heads}
            for session_id in gone:
                self._cache.forget(session_id)
                del beats[session_id]
        if self._valkey is not None and beats:
            try:
                await self._valkey.beat(beats)
            except AWAY as error:
                logger.debug("Valkey took no beats, PostgreSQL will: %s", error)
        return gone

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._flush_seconds)
            try:
                await self.tick()
            except StorageUnavailable as error:
                logger.warning("heartbeats wait for PostgreSQL: %s", error)
            except Exception:
                logger.exception("heartbeats were not flushed; they are kept for the next time")


def _answer(
    callers: Iterable[Caller], error: BaseException | None, gone: Collection[str] = ()
) -> None:
    for session_id, caller in callers:
        if caller.done():
            continue
        if session_id in gone:
            caller.set_exception(SessionNotFound(session_id))
        elif error is None:
            caller.set_result(None)
        else:
            caller.set_exception(error)

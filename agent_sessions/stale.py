"""Fails silent sessions in batches, so that other writers do not wait long for a row."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime, timedelta

from agent_sessions import tasks, transitions
from agent_sessions.models import Head
from agent_sessions.publisher import ChangePublisher
from agent_sessions.stores.store import Store
from agent_sessions.valkey_cache import ValkeyCache
from agent_sessions.valkey_client import AWAY
from agent_sessions.write_commands import Author, FailSilent

# Sessions that are failed in one statement, and statements that run at once: two keep two processors busy while the third
# waits for its commit.
BATCH, AT_ONCE = 50, 3
# A connection is given back after so many batches, because other callers wait for it where the pool is small.
RUN = 10
AUTHOR = Author("sweeper", "sweeper", "heartbeat_timeout")


class StaleSweeper:
    def __init__(
        self,
        store: Store,
        publisher: ChangePublisher,
        valkey: ValkeyCache | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._valkey = valkey
        self._clock = clock

    async def fail_stale(self, max_age: timedelta) -> int:
        """Returns how many active sessions were failed because they sent no heartbeat for `max_age`."""
        failed, left = await self._fail_in_batches(self._store.stale(max_age), max_age)
        if left:  # locked by another transaction, or alive again
            more, _ = await self._fail_in_batches(_listed(left), max_age)
            failed += more
        return failed

    async def _fail_in_batches(
        self, session_ids: AsyncIterator[str], max_age: timedelta
    ) -> tuple[int, list[str]]:
        """Returns how many were failed, and which were not.

        While PostgreSQL stores one batch, the next is read and decided, and the one before is announced.
        """
        batches: asyncio.Queue[list[str]] = asyncio.Queue()
        failed: set[str] = set()
        workers = [
            asyncio.create_task(self._work(batches, max_age, failed), name="failing the silent")
            for _ in range(AT_ONCE)
        ]
        try:
            found = await _put_in_batches(session_ids, batches)
            await asyncio.gather(*workers)
            await self._publisher.settle()
        finally:
            await tasks.cancel_and_wait(*workers)
        return len(failed), sorted(found - failed)

    async def _work(
        self, batches: asyncio.Queue[list[str]], max_age: timedelta, failed: set[str]
    ) -> None:
        batch = await batches.get()
        while batch:
            async with self._store.fail_stale_batch() as fail:
                for _ in range(RUN):
                    for head in await self._fail_each(fail, batch, max_age):
                        failed.add(head.session_id)
                        self._publisher.publish_soon(head)
                    batch = await batches.get()
                    if not batch:
                        return

    async def _fail_each(
        self, fail: FailSilent, session_ids: Sequence[str], max_age: timedelta
    ) -> list[Head]:
        now = self._clock()
        silent = await self._silent_since(session_ids, now - max_age)
        if not silent:
            return []
        return await fail(silent, transitions.heartbeat_timeout(AUTHOR, now, max_age), now, max_age)

    async def _silent_since(self, session_ids: Sequence[str], moment: datetime) -> list[str]:
        """Those without a heartbeat in Valkey since `moment`; all of them if Valkey does not answer."""
        if self._valkey is None:
            return list(session_ids)
        try:
            beats = await self._valkey.last_beats(session_ids)
        except AWAY:
            return list(session_ids)
        known = zip(session_ids, beats, strict=True)
        return [id for id, last in known if last is None or last < moment.timestamp()]


async def _put_in_batches(
    session_ids: AsyncIterator[str], batches: asyncio.Queue[list[str]]
) -> set[str]:
    """Returns all ids. An empty batch tells each worker that no more will come."""
    found: set[str] = set()
    batch: list[str] = []
    async for session_id in session_ids:
        found.add(session_id)
        batch.append(session_id)
        if len(batch) == BATCH:
            batches.put_nowait(batch)
            batch = []
    for last in (batch, *[[]] * AT_ONCE):
        batches.put_nowait(last)
    return found


async def _listed(session_ids: Iterable[str]) -> AsyncIterator[str]:
    for session_id in session_ids:
        yield session_id

"""Failing those who have been silent for too long: batch by batch, each soon over for whoever wants its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain, islice

from agent_sessions import operations, tasks
from agent_sessions.knowledge import Knowledge
from agent_sessions.models import Head
from agent_sessions.postgres import PostgresStore
from agent_sessions.record_store import RecordStore
from agent_sessions.valkey import AWAY
from agent_sessions.writes import Author, FailSilent

# So many sessions are failed in a statement, and so many statements are on their way at once: two keep two processors
# busy while the third waits for its commit.
BATCH, AT_ONCE = 50, 3
# A connection is kept for so many batches: with a small pool somebody waits for it.
RUN = 10
AUTHOR = Author("sweeper", "sweeper", "heartbeat_timeout")


class Sweeping:
    def __init__(
        self,
        store: PostgresStore | RecordStore,
        knowledge: Knowledge,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._knowledge = knowledge
        self._clock = clock

    async def fail_stale(self, max_age: timedelta) -> int:
        """How many active sessions were failed because they gave no sign of life for `max_age`."""
        silent = [session_id async for session_id in self._store.stale(max_age)]
        failed = await self._fail_in_batches(silent, max_age)
        if held := sorted(set(silent) - failed):  # or given a sign of life meanwhile
            failed |= await self._fail_in_batches(held, max_age)
        return len(failed)

    async def _fail_in_batches(self, session_ids: Sequence[str], max_age: timedelta) -> set[str]:
        """While PostgreSQL stores one batch the next is decided, and word is given of those before."""
        batches = (session_ids[i : i + BATCH] for i in range(0, len(session_ids), BATCH))
        failed: set[str] = set()
        workers = [
            asyncio.create_task(self._work(batches, max_age, failed), name="failing the silent")
            for _ in range(AT_ONCE)
        ]
        try:
            await asyncio.gather(*workers)
            await self._knowledge.settle()
        finally:
            await tasks.end(*workers)
        return failed

    async def _work(
        self, batches: Iterator[Sequence[str]], max_age: timedelta, failed: set[str]
    ) -> None:
        while first := next(batches, None):
            async with self._store.failing_silent() as fail:
                for batch in chain([first], islice(batches, RUN - 1)):
                    for head in await self._fail_each(fail, batch, max_age):
                        failed.add(head.session_id)
                        self._knowledge.tell_soon(head)

    async def _fail_each(
        self, fail: FailSilent, session_ids: Sequence[str], max_age: timedelta
    ) -> list[Head]:
        now = self._clock()
        silent = await self._silent_since(session_ids, now - max_age)
        if not silent:
            return []
        return await fail(silent, operations.heartbeat_timeout(AUTHOR, now, max_age), now, max_age)

    async def _silent_since(self, session_ids: Sequence[str], moment: datetime) -> list[str]:
        """Those of whom Valkey has not heard since either."""
        if self._knowledge.copies is None:
            return list(session_ids)
        try:
            beats = await self._knowledge.copies.last_beats(session_ids)
        except AWAY:
            return list(session_ids)
        heard = zip(session_ids, beats, strict=True)
        return [id for id, last in heard if last is None or last < moment.timestamp()]

"""The background task of conversations: reconnects, sends waiting turns, drops idle entries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from agent_sessions import tasks
from agent_sessions.basic_errors import SessionError
from agent_sessions.conversation.config import ConversationConfig
from agent_sessions.conversation.local_cache import CachedConversation, LocalConversations
from agent_sessions.conversation.memory import MemoryOnly
from agent_sessions.conversation.stats import Counts
from agent_sessions.conversation.store import ConversationStore, DataLost, Unreachable
from agent_sessions.conversation.write_behind import WriteBehind

logger = logging.getLogger(__name__)


class ConversationMaintenance:
    def __init__(
        self,
        config: ConversationConfig,
        local: LocalConversations,
        counts: Counts,
        clock: Callable[[], float],
        store: ConversationStore | None,
        write_behind: WriteBehind | MemoryOnly,
    ) -> None:
        self._config = config
        self._local = local
        self._counts = counts
        self._clock = clock
        self._store = store
        self._write_behind = write_behind
        self._sent_generation = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="conversations")
            await self._try_to_connect()

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task:
            await tasks.cancel_and_wait(task)
        if self._store:
            self._store.retry_at = self._clock()
            try:
                await self._send_waiting()
            finally:
                await self._store.close()
            if waiting := self._local.waiting:
                logger.error("%d conversations hold turns that Valkey never got", len(waiting))

    async def tick(self) -> None:
        await self._send_waiting()
        idle = self._local.drop_idle(self._clock() - self._config.ttl_seconds)
        for entry in idle:
            if entry.pending:
                logger.error("conversation %s expired before Valkey was back", entry.id)
        self._counts.expired += len(idle) - await self._still_stored(idle)

    async def _run(self) -> None:
        while True:
            await self._pause()
            try:
                await self.tick()
            except Exception:
                logger.exception("tidying conversations failed, and is tried again")

    async def _pause(self) -> None:
        delay = self._config.cleanup_interval_seconds
        if self._store is None:
            await asyncio.sleep(delay)
            return
        if not self._store.available:
            delay = min(delay, max(0.01, self._store.retry_at - self._clock()))
        elif self._local.waiting:  # a call reconnected before this task did
            delay = min(delay, self._config.retry_first_seconds)
        try:
            async with asyncio.timeout(delay):
                await self._store.went_away.wait()
        except TimeoutError:
            pass
        self._store.went_away.clear()

    async def _try_to_connect(self) -> bool:
        if self._store is None:
            return False
        try:
            await self._store.connect()
        except Unreachable:
            return False
        except SessionError as error:
            logger.error("conversations are kept in memory: %s", error)
            return False
        return True

    async def _send_waiting(self) -> None:
        """Sends waiting turns; after Valkey has lost its data, restores all cached conversations."""
        if not self._store or not await self._try_to_connect():
            return
        entries = self._local.waiting
        if self._sent_generation != self._store.generation:
            entries = list(self._local.newest_first())
        try:
            for entry in entries:
                async with entry.lock:
                    await self._write_behind.push(entry)
            await self._store.trim()
            self._sent_generation = self._store.generation
        except (Unreachable, DataLost):
            return

    async def _still_stored(self, idle: list[CachedConversation]) -> int:
        """How many are still stored: other processes may have used what was idle here."""
        if not self._store:
            return 0
        try:
            return await self._store.how_many([entry.id for entry in idle])
        except Unreachable:
            return 0

"""Announces changes of psql and old agents to the agents, without delaying pages."""

import asyncio
import logging
from collections.abc import Callable, Collection

from agent_sessions import tasks

log = logging.getLogger(__name__)

Announce = Callable[[list[str]], None]


class AgentNotifier:
    """One call at a time; changes meanwhile are collected for the next."""

    def __init__(self, announce: Announce | None) -> None:
        self._announce_now = announce
        self._waiting: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, session_ids: Collection[str]) -> None:
        if self._announce_now is None or not session_ids:
            return
        self._waiting.update(session_ids)
        if self._task is None:
            self._task = asyncio.create_task(self._announce(self._announce_now))

    async def _announce(self, announce: Announce) -> None:
        try:
            while self._waiting:
                session_ids, self._waiting = self._waiting, set()
                await asyncio.to_thread(announce, list(session_ids))
        except Exception as error:  # agents learn of it with their next heartbeat
            log.warning("changes could not be announced to the agents: %s", error)
        finally:
            self._task = None

    async def stop(self) -> None:
        if self._task is not None:
            await tasks.cancel_and_wait(self._task)

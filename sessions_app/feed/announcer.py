"""Tells agents of changes that no manager made (psql, today's agents), off the path of the pages."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

log = logging.getLogger(__name__)

OnChanges = Callable[[list[tuple[str, int]]], Awaitable[None]]


class Announcer:
    """One call at a time; what comes meanwhile is conflated into the next."""

    def __init__(self, on_changes: OnChanges | None) -> None:
        self._on_changes = on_changes
        self._waiting: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, changes: Mapping[str, int]) -> None:
        if self._on_changes is None or not changes:
            return
        self._waiting.update(changes)
        if self._task is None:
            self._task = asyncio.create_task(self._announce(self._on_changes))

    async def _announce(self, on_changes: OnChanges) -> None:
        try:
            while self._waiting:
                changes, self._waiting = self._waiting, {}
                await on_changes(list(changes.items()))
        except Exception as error:  # agents hear of it with their next heartbeat's answer
            log.warning("changes could not be announced to the agents: %s", error)
        finally:
            self._task = None

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

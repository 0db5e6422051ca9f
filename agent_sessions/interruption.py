"""Cancels the task of an agent's block as soon as an order ended its work."""

from __future__ import annotations

import asyncio

from agent_sessions import tasks
from agent_sessions.run import Run


class Interruption:
    """Without `wanted` it does nothing: the block then continues until its next safe point."""

    def __init__(self, run: Run, wanted: bool) -> None:
        self._run = run
        self._cancelled = self._ended = False
        self._before = 0
        self._watch: asyncio.Task[None] | None = None
        self._task = task = asyncio.current_task()
        if wanted and task is not None:
            self._before = task.cancelling()
            self._watch = asyncio.create_task(
                self._cancel_when_over(task), name=f"interruption of {run.session.session_id}"
            )

    async def _cancel_when_over(self, task: asyncio.Task[object]) -> None:
        await self._run.until_over()
        if self._run.order is None and not self._ended:  # otherwise the block is being left already
            self._cancelled = True
            task.cancel()

    async def end(self, error: BaseException | None) -> bool:
        """True if only this cancellation, and no other one, ended the block."""
        if self._watch is None or self._task is None or self._run.lease.is_copy:
            return False
        self._ended = True
        if self._cancelled:
            left = self._task.uncancel()
            try:
                await asyncio.sleep(0)  # delivers a cancellation that is still pending
            except asyncio.CancelledError:
                if left > self._before:
                    raise
            return isinstance(error, asyncio.CancelledError) and left <= self._before
        await tasks.cancel_and_wait(self._watch)
        return False

"""Starts a coroutine without a task, and makes one only if it has to wait: most sends do not.

A frame to 1,000 pages through uvicorn costs the server 53 µs with it and 63 µs with a task for each (medians of nine
pairs on a busy machine; the median of their ratios is 0.65), and of that 5.0 instead of 11.4 µs are ours.
"""

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any

Steps = Generator[Any, None, None]


def start(what: Awaitable[None]) -> asyncio.Task[None] | None:
    """Runs it until it ends (returns None) or waits (returns the task that continues it)."""
    steps: Steps = what.__await__()
    try:
        waits_for = next(steps)
    except StopIteration:
        return None
    return asyncio.create_task(_finish(_Rest(steps, waits_for)))


async def _finish(rest: "_Rest") -> None:
    await rest


class _Rest:
    """The rest of a coroutine that was begun outside of the task that awaits it."""

    def __init__(self, steps: Steps, waits_for: Any) -> None:
        self._steps, self._waits_for = steps, waits_for

    def __await__(self) -> Steps:
        waits_for = self._waits_for
        while True:
            failed = None
            try:
                yield waits_for
            except BaseException as error:
                failed = error
            try:
                waits_for = self._steps.throw(failed) if failed else next(self._steps)
            except StopIteration:
                return

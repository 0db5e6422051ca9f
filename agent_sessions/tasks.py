"""Cancelling tasks, and being cancelled, although some packages swallow cancellations.

redis-py swallows one that comes while it connects, and `asyncio.wait_for` before Python 3.12, which psycopg's pool
uses, one that comes together with the answer. The caller would continue uncancelled, and might never end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

logger = logging.getLogger(__name__)
T = TypeVar("T")


async def cancellable(call: Awaitable[T], undo: Callable[[T], Awaitable[None]] | None = None) -> T:
    """The result of the call. If a cancellation was swallowed meanwhile, calls `undo` with the result and raises it."""
    before = _cancellations()
    try:
        result = await call
    except Exception:
        await _raise_swallowed(before)
        raise
    try:
        await _raise_swallowed(before)
    except asyncio.CancelledError:
        if undo is not None:
            await undo(result)
        raise
    return result


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


async def _raise_swallowed(before: int) -> None:
    if _cancellations() > before:
        await asyncio.sleep(0)  # delivers a cancellation that is still pending
        raise asyncio.CancelledError


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancels until each has ended, since one cancellation may be swallowed."""
    left = set(tasks)
    while left := {task for task in left if not task.done()}:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=0.1)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s had ended with an error", task.get_name(), exc_info=error)

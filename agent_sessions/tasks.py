"""Cancelling tasks, and being cancelled, although redis-py swallows cancellations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

logger = logging.getLogger(__name__)
T = TypeVar("T")


async def cancellable(call: Awaitable[T]) -> T:
    """The answer of a call to Valkey. Raises a cancellation that redis-py swallows while it connects.

    Without this the caller goes on as if nobody had cancelled it, and may wait without end.
    """
    before = _cancellations()
    try:
        answer = await call
    except Exception:
        await _raise_swallowed(before)
        raise
    await _raise_swallowed(before)
    return answer


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


async def _raise_swallowed(before: int) -> None:
    if _cancellations() > before:
        await asyncio.sleep(0)  # delivers a cancellation that is still pending
        raise asyncio.CancelledError


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel until each has ended: redis-py swallows a cancellation that comes while it connects."""
    left = set(tasks)
    while left := {task for task in left if not task.done()}:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=0.1)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s had ended with an error", task.get_name(), exc_info=error)

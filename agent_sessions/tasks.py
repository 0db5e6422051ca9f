"""Background tasks have an end."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

logger = logging.getLogger(__name__)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel until each has ended: redis-py swallows a cancellation that comes while it connects."""
    for task in tasks:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=0.1)
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s had ended with an error", task.get_name(), exc_info=error)

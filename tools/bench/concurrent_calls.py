"""Many coroutines that repeat one call, and the number of their calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

ConcurrentCall = Callable[[str], Awaitable[Any]]


@dataclass
class Done:
    """The number of returned calls per session, and when the last one began."""

    times: dict[str, int] = field(default_factory=dict)
    last: dict[str, datetime] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.times.values())


async def until(
    seconds: float, ids: Sequence[str], act: ConcurrentCall, *, most: int | None = None
) -> Done:
    """Calls `act` for each session again and again, for `seconds` or at most `most` times; its errors are raised."""
    deadline = time.perf_counter() + seconds
    done = Done()

    async def agent(session_id: str) -> None:
        count, begun = 0, time.time()
        while time.perf_counter() < deadline and count != most:
            begun = time.time()
            await act(session_id)
            count += 1
        done.times[session_id] = count
        done.last[session_id] = datetime.fromtimestamp(begun, UTC)

    await asyncio.gather(*(agent(session_id) for session_id in ids))
    return done


async def each(ids: Iterable[str], clients: int, act: ConcurrentCall) -> None:
    """Calls `act` once for every id, `clients` at a time."""
    rest = iter(ids)

    async def client() -> None:
        for session_id in rest:
            await act(session_id)

    await asyncio.gather(*(client() for _ in range(clients)))

"""Chooses the page to write to: those with changes before those with heartbeats or counts.

A few at a time, then the event loop continues: updates that arrive meanwhile merge with waiting ones.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from agent_sessions import tasks

from .. import metrics


class Writable(Protocol):
    """A connection to write to; `queue` is the one it waits in."""

    queue: "Queue | None"

    def write(self, header: str, now: float) -> int:
        """Writes one frame, if it still may; returns its size."""


Queue = deque[Writable]
FEW_CHANGES, CHANGES, OTHERS = 8, 64, 16
"""Frames for one turn; the server sends them when it has ended. Few pages get small turns, so that the first are sent
soon; many get fewer and larger ones. The others have a share of every turn, so that changes do not starve them."""
BESIDE = 16  # changes for one frame of the others, of which each turn has at least one


class SendScheduler:
    """Under overload every page is written to less often, and equally so."""

    def __init__(self, header: Callable[[], str], *, monotonic: Callable[[], float]) -> None:
        self._header, self._monotonic = header, monotonic
        self._changes: Queue = deque()
        self._others: Queue = deque()
        self._sent = asyncio.Event()
        self._sent.set()
        self._are_many = False
        self._task: asyncio.Task[None] | None = None

    def take(self, socket: Writable, *, is_change: bool) -> None:
        """A connection moves from the other queue to that of changes when a change arrives for it."""
        queue = self._changes if is_change else self._others
        if socket.queue is None or (is_change and socket.queue is not queue):
            socket.queue = queue
            queue.append(socket)
            if is_change:
                self._sent.clear()
        if self._task is None:
            self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._changes or self._others:
                self._turn()
                if not self._changes:
                    self._sent.set()
                    self._are_many = False
                await asyncio.sleep(0)
                if not self._are_many:
                    await asyncio.sleep(0)  # daphne sends here, before the next are written
        finally:
            self._task = None
            self._sent.set()

    def _turn(self) -> None:
        header, now = self._header(), self._monotonic()
        self._are_many |= len(self._changes) > CHANGES
        changes = CHANGES if self._are_many else FEW_CHANGES
        others = max(1, changes // BESIDE) if self._changes else OTHERS
        sizes = [
            socket.write(header, now)
            for queue, most in ((self._changes, changes), (self._others, others))
            for socket in _first(queue, most)
        ]
        metrics.FRAMES.inc(len(sizes))
        metrics.BYTES.inc(sum(sizes))

    async def changes_sent(self) -> None:
        """Waits until no page has an unsent change: until then newer ones would only be merged, again and again."""
        await self._sent.wait()

    async def idle(self) -> None:
        while self._task is not None:
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        if self._task is not None:
            await tasks.cancel_and_wait(self._task)


def _first(queue: Queue, most: int) -> Iterator[Writable]:
    """Without those that have moved to the other queue."""
    while queue and most:
        socket = queue.popleft()
        if socket.queue is queue:
            most -= 1
            yield socket

"""Who is written to next: pages that wait for a change before those that wait for beats or counts.

A few at a time, and then the loop's turn: what is heard meanwhile overtakes whatever is still waiting, and merges with it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from agent_sessions import tasks

from .. import metrics


class Writable(Protocol):
    """What is written to: `queue` is the one it waits in."""

    queue: "Queue | None"

    def write(self, header: str, now: float) -> int:
        """One frame, if it still may; its size."""


Queue = deque[Writable]
FEW_CHANGES, CHANGES, OTHERS = 8, 64, 16
"""Frames for one turn, which the server sends when it has ended: where few wait for a change, the first are soon on their
way, and many are written with fewer turns. The others get some of every turn: no stream of changes starves them."""
BESIDE = 16  # changes, or less, for one of the others


class SendScheduler:
    """When there is more to write than can be, pages are written to less often, and later ones wait no longer."""

    def __init__(self, header: Callable[[], str], *, monotonic: Callable[[], float]) -> None:
        self._header, self._monotonic = header, monotonic
        self._changes: Queue = deque()
        self._others: Queue = deque()
        self._sent = asyncio.Event()
        self._sent.set()
        self._are_many = False
        self._task: asyncio.Task[None] | None = None

    def take(self, socket: Writable, *, is_change: bool) -> None:
        """One that waits already is taken again when a change has come for it."""
        lane = self._changes if is_change else self._others
        if socket.queue is None or (is_change and socket.queue is not lane):
            socket.queue = lane
            lane.append(socket)
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
                    await asyncio.sleep(0)  # daphne sends only now, before the next are written
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
            for lane, most in ((self._changes, changes), (self._others, others))
            for socket in _first(lane, most)
        ]
        metrics.FRAMES.inc(len(sizes))
        metrics.BYTES.inc(sum(sizes))

    async def changes_sent(self) -> None:
        """Until nobody waits for a change: before that, a newer one would only be merged again and again."""
        await self._sent.wait()

    async def idle(self) -> None:
        while self._task is not None:
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        if self._task is not None:
            await tasks.cancel_and_wait(self._task)


def _first(lane: Queue, most: int) -> Iterator[Writable]:
    """Without those that have changed lanes."""
    while lane and most:
        socket = lane.popleft()
        if socket.queue is lane:
            most -= 1
            yield socket

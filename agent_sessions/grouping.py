"""Concurrent calls share one statement and one commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

# Who is held up comes again after this pause, then after twice as long, up to the second.
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.2


class Waiting(Generic[Item, Result]):
    """One caller's item and the place where it waits for the answer."""

    __slots__ = ("future", "held_since", "item", "key", "pause")

    def __init__(self, key: str, item: Item) -> None:
        self.key = key
        self.item = item
        self.future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.held_since: float | None = None
        self.pause = FIRST_PAUSE

    def answer(self, result: Result) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def held_for(self) -> float:
        """Seconds since it was first held up, which is now if it never was."""
        now = self.future.get_loop().time()
        self.held_since = now if self.held_since is None else self.held_since
        return now - self.held_since


Group = Sequence[Waiting[Item, Result]]
Held = Collection[Waiting[Item, Result]]


class Grouper(Generic[Item, Result]):
    """While one group is on its way the next one gathers: no delay when idle, large groups under load.

    `flush` must answer or refuse each of its items, or return those that are held up: they come again after a
    pause, and nobody else waits for them. Of each key one item at a time is on its way, in the order in which they
    came, so that an answer never mixes two writes of one session and none overtakes an older one.
    """

    def __init__(
        self,
        flush: Callable[[Group[Item, Result]], Awaitable[Held[Item, Result] | None]],
        *,
        most: int = 500,
        in_flight: int = 1,
    ) -> None:
        self._flush = flush
        self._most = most
        self._in_flight = in_flight
        self._queue: deque[Waiting[Item, Result]] = deque()
        # by each key that is queued, on its way or held up: what came after it
        self._behind: dict[str, deque[Waiting[Item, Result]]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._pauses: set[asyncio.Task[None]] = set()

    async def submit(self, key: str, item: Item) -> Result:
        waiting: Waiting[Item, Result] = Waiting(key, item)
        behind = self._behind.get(key)
        if behind is None:
            self._behind[key] = deque()
            self._enqueue(waiting)
        else:
            behind.append(waiting)
        # The write goes on when its caller is cancelled: nothing but the answer hangs on this future.
        return await waiting.future

    async def close(self) -> None:
        """Wait for what is on its way."""
        while left := self._workers | self._pauses:
            await asyncio.gather(*left, return_exceptions=True)

    def _enqueue(self, waiting: Waiting[Item, Result]) -> None:
        self._queue.append(waiting)
        if len(self._workers) < self._in_flight:
            worker = asyncio.create_task(self._work(), name=f"{self._flush.__qualname__} group")
            self._workers.add(worker)

    async def _work(self) -> None:
        try:
            while self._queue:
                most = min(self._most, len(self._queue))
                await self._flush_one([self._queue.popleft() for _ in range(most)])
        finally:
            # Here and not when the task is done: an item that comes in between would find no worker.
            self._workers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _flush_one(self, group: Group[Item, Result]) -> None:
        held: set[Waiting[Item, Result]] = set()
        try:
            held = set(await self._flush(group) or ())
        except Exception as error:
            for waiting in group:
                waiting.refuse(error)
        except BaseException as error:
            self._give_up(group, error)
            raise
        for waiting in group:
            if waiting not in held:
                self._release(waiting)
        if held:
            pause = asyncio.create_task(self._pause(held), name="held up")
            self._pauses.add(pause)
            pause.add_done_callback(self._pauses.discard)

    def _release(self, waiting: Waiting[Item, Result]) -> None:
        waiting.refuse(RuntimeError("the group was flushed without an answer"))
        if behind := self._behind[waiting.key]:
            self._enqueue(behind.popleft())
        else:
            del self._behind[waiting.key]

    async def _pause(self, held: Held[Item, Result]) -> None:
        try:
            await asyncio.sleep(min(waiting.pause for waiting in held))
        except BaseException as error:
            self._give_up(held, error)
            raise
        for waiting in held:
            waiting.pause = min(waiting.pause * 2, LONGEST_PAUSE)
            self._enqueue(waiting)

    def _give_up(self, waitings: Held[Item, Result], error: BaseException) -> None:
        for waiting in waitings:
            for one in (waiting, *self._behind.pop(waiting.key)):
                one.refuse(error)

"""Concurrent calls share one statement and one commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")


class Waiting(Generic[Item, Result]):
    """One caller's item and the place where it waits for the answer."""

    __slots__ = ("future", "item", "key")

    def __init__(self, key: str, item: Item) -> None:
        self.key = key
        self.item = item
        self.future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def answer(self, result: Result) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Grouper(Generic[Item, Result]):
    """While one group is on its way the next one gathers: no delay when idle, large groups under load.

    `flush` must answer or refuse each of its items. A group holds each key once; a second item of the same
    key waits for the next group, so that an answer never mixes two writes of one session.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Waiting[Item, Result]]], Awaitable[None]],
        *,
        most: int = 500,
        in_flight: int = 1,
    ) -> None:
        self._flush = flush
        self._most = most
        self._in_flight = in_flight
        self._queue: deque[Waiting[Item, Result]] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    async def submit(self, key: str, item: Item) -> Result:
        waiting: Waiting[Item, Result] = Waiting(key, item)
        self._queue.append(waiting)
        if len(self._workers) < self._in_flight:
            worker = asyncio.create_task(self._work(), name=f"{self._flush.__qualname__} group")
            self._workers.add(worker)
        # The write goes on when its caller is cancelled: nothing but the answer hangs on this future.
        return await waiting.future

    async def _work(self) -> None:
        try:
            while group := self._take():
                await self._flush_one(group)
        finally:
            # Here and not when the task is done: an item that comes in between would find no worker.
            self._workers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _flush_one(self, group: Sequence[Waiting[Item, Result]]) -> None:
        try:
            await self._flush(group)
        except BaseException as error:
            for waiting in group:
                waiting.refuse(error)
            if not isinstance(error, Exception):
                raise
        for waiting in group:
            waiting.refuse(RuntimeError("the group was flushed without an answer"))

    def _take(self) -> list[Waiting[Item, Result]]:
        group: dict[str, Waiting[Item, Result]] = {}
        later: list[Waiting[Item, Result]] = []
        while self._queue and len(group) < self._most:
            waiting = self._queue.popleft()
            if waiting.key in group:
                later.append(waiting)
            else:
                group[waiting.key] = waiting
        self._queue.extendleft(reversed(later))
        return list(group.values())

    async def close(self) -> None:
        """Wait for what is on its way."""
        while self._workers:
            await asyncio.gather(*self._workers, return_exceptions=True)

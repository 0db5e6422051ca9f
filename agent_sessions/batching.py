"""Collects concurrent calls, so that they share one statement and one commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Generic, TypeVar, cast

from agent_sessions.backoff import Backoff

Item = TypeVar("Item")
Result = TypeVar("Result")

# Seconds before a deferred item is tried again: the first time, and at most.
HELD = (0.005, 0.2)

# What consecutive batches share (a connection) is released after this many batches, or seconds without an item.
RUN, LINGER = 100, 0.003

# Queued items up to this number stay in one batch, even if another could be in flight: fewer are not worth a statement.
WORTH_DIVIDING = 16


class BatchItem(Generic[Item, Result]):
    """One caller's item, and the callbacks for its answer."""

    __slots__ = ("_answered", "_backoff", "_refused", "deferred_since", "item", "key", "settled")

    def __init__(
        self,
        key: str,
        item: Item,
        answered: Callable[[Result], None],
        refused: Callable[[BaseException], None],
    ) -> None:
        self.key = key
        self.item = item
        self.deferred_since: float | None = None
        self._backoff: Backoff | None = None
        self._answered = answered
        self._refused = refused
        self.settled = False

    def resolve(self, result: Result) -> None:
        if not self.settled:
            self.settled = True
            self._answered(result)

    def reject(self, error: BaseException) -> None:
        if not self.settled:
            self.settled = True
            self._refused(error)

    def end(self) -> None:
        """Rejects an item that `flush` neither resolved nor rejected: otherwise its caller would wait for ever."""
        if not self.settled:
            self.reject(RuntimeError("the group was flushed without an answer"))

    def next_pause(self) -> float:
        """Seconds until the next try. The backoff is created here, because most items are never deferred."""
        self._backoff = self._backoff or Backoff(*HELD)
        return self._backoff.next()

    def deferred_for(self) -> float:
        """Seconds since the first call for this item, which returns 0."""
        now = asyncio.get_running_loop().time()
        self.deferred_since = now if self.deferred_since is None else self.deferred_since
        return now - self.deferred_since


BatchItems = Sequence[BatchItem[Item, Result]]
Held = Collection[BatchItem[Item, Result]]
Flush = Callable[[BatchItems[Item, Result]], Awaitable[Held[Item, Result] | None]]
OpenFlush = Callable[[], AbstractAsyncContextManager[Flush[Item, Result]]]


class Batcher(Generic[Item, Result]):
    """While one batch runs the next one is collected: no delay when idle, large batches under load.

    `flush` must resolve or reject each item, or return it as deferred: it is tried again after a pause, and no item of
    another key waits for it. Items of one key run one at a time in order of arrival, so that an answer never mixes two
    writes of one session, and no write overtakes an older one.

    `run` is entered once for consecutive batches, and yields their `flush`.
    """

    def __init__(
        self,
        flush: Flush[Item, Result] | None = None,
        *,
        run: OpenFlush[Item, Result] | None = None,
        most: int = 500,
        in_flight: int = 1,
    ) -> None:
        self._run = run or (lambda: nullcontext(cast("Flush[Item, Result]", flush)))
        self._linger = LINGER if run else 0.0
        self._name = getattr(run or flush, "__qualname__", "")
        self._most = most
        self._in_flight = in_flight
        self._queue: deque[BatchItem[Item, Result]] = deque()
        # for each key that is queued, running or deferred: the later items
        self._behind: dict[str, deque[BatchItem[Item, Result]] | None] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._flushing = 0
        self._lingering: list[asyncio.Future[None]] = []
        self._pauses: set[asyncio.Task[None]] = set()

    async def submit(self, key: str, item: Item) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def answered(result: Result) -> None:
            if not future.done():
                future.set_result(result)

        def refused(error: BaseException) -> None:
            if not future.done():
                future.set_exception(error)

        self.send(key, item, answered, refused)
        # The write continues if its caller is cancelled: only the answer depends on this future.
        return await future

    def send(
        self,
        key: str,
        item: Item,
        answered: Callable[[Result], None],
        refused: Callable[[BaseException], None],
    ) -> None:
        """As `submit`, without waiting: one of the two callbacks is called later, even if the caller is cancelled."""
        waiting = BatchItem(key, item, answered, refused)
        if key not in self._behind:
            self._behind[key] = None
            self._enqueue(waiting)
        elif (behind := self._behind[key]) is None:
            self._behind[key] = deque((waiting,))
        else:
            behind.append(waiting)

    async def close(self) -> None:
        """Waits until all items are answered, deferred ones included."""
        while left := self._workers | self._pauses:
            await asyncio.gather(*left, return_exceptions=True)

    def _enqueue(self, waiting: BatchItem[Item, Result]) -> None:
        self._queue.append(waiting)
        if self._lingering:
            _wake(self._lingering.pop())
        elif len(self._workers) < self._in_flight:
            self._workers.add(asyncio.create_task(self._work(), name=f"{self._name} group"))

    async def _work(self) -> None:
        try:
            while self._queue:
                async with self._run() as flush:
                    await self._work_with(flush)
        finally:
            # Here and not in a done callback: until that runs, a new item would start no worker.
            self._workers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _work_with(self, flush: Flush[Item, Result]) -> None:
        for _ in range(RUN):
            if not self._queue and self._linger:
                await self._more()
            if not self._queue:
                return
            group = [self._queue.popleft() for _ in range(self._share())]
            self._flushing += 1
            try:
                await self._flush_one(flush, group)
            finally:
                self._flushing -= 1

    def _share(self) -> int:
        """The size of the next batch: the queue is divided among the batches that may still be sent.

        With two batches in flight, the server works on one while Python handles the other.
        """
        free = self._in_flight - self._flushing
        share = max(WORTH_DIVIDING, -(-len(self._queue) // free))
        return min(self._most, len(self._queue), share)

    async def _more(self) -> None:
        """Returns when an item has arrived, or after the lingering time."""
        loop = asyncio.get_running_loop()
        waker: asyncio.Future[None] = loop.create_future()
        self._lingering.append(waker)
        loop.call_later(self._linger, _wake, waker)
        try:
            await waker
        finally:
            if waker in self._lingering:
                self._lingering.remove(waker)

    async def _flush_one(self, flush: Flush[Item, Result], group: BatchItems[Item, Result]) -> None:
        held: set[BatchItem[Item, Result]] = set()
        try:
            held = set(await flush(group) or ())
        except Exception as error:
            for waiting in group:
                waiting.reject(error)
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

    def _release(self, waiting: BatchItem[Item, Result]) -> None:
        waiting.end()
        if behind := self._behind[waiting.key]:
            self._enqueue(behind.popleft())
        else:
            del self._behind[waiting.key]

    async def _pause(self, held: Held[Item, Result]) -> None:
        try:
            await asyncio.sleep(min(waiting.next_pause() for waiting in held))
        except BaseException as error:
            self._give_up(held, error)
            raise
        for waiting in held:
            self._enqueue(waiting)

    def _give_up(self, waitings: Held[Item, Result], error: BaseException) -> None:
        for waiting in waitings:
            for one in (waiting, *(self._behind.pop(waiting.key) or ())):
                one.reject(error)


def _wake(waker: asyncio.Future[None]) -> None:
    if not waker.done():
        waker.set_result(None)

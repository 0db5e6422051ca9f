"""Most sends end without waiting for anything: a task is made only for the rest of one that does wait."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

Steps = Coroutine[Any, Any, None]


def start(coroutine: Steps) -> asyncio.Task[None] | None:
    """Runs it at once, as far as it comes; None when that was all of it."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    return asyncio.create_task(_finish(_Rest(coroutine, waits_for)))


async def _finish(rest: "_Rest") -> None:
    await rest


class _Rest:
    """A coroutine that another has begun: waits for what it waits for, then goes on."""

    def __init__(self, coroutine: Steps, waits_for: Any) -> None:
        self._coroutine, self._waits_for = coroutine, waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        waits_for = self._waits_for
        while True:
            step: Callable[[Any], Any] = self._coroutine.send
            try:
                answer = yield waits_for
            except BaseException as error:
                step, answer = self._coroutine.throw, error
            try:
                waits_for = step(answer)
            except StopIteration:
                return

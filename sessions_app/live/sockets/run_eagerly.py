"""Most sends end without waiting for anything: a task is made only for the rest of one that does wait."""

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any

Steps = Generator[Any, None, None]


def start(what: Awaitable[None]) -> asyncio.Task[None] | None:
    """Runs it at once, as far as it comes; None when that was all of it."""
    steps: Steps = what.__await__()
    try:
        waits_for = next(steps)
    except StopIteration:
        return None
    return asyncio.create_task(_finish(_Rest(steps, waits_for)))


async def _finish(rest: "_Rest") -> None:
    await rest


class _Rest:
    """What another has begun: waits for what it waits for, then goes on."""

    def __init__(self, steps: Steps, waits_for: Any) -> None:
        self._steps, self._waits_for = steps, waits_for

    def __await__(self) -> Steps:
        waits_for = self._waits_for
        while True:
            failed = None
            try:
                yield waits_for
            except BaseException as error:
                failed = error
            try:
                waits_for = self._steps.throw(failed) if failed else next(self._steps)
            except StopIteration:
                return

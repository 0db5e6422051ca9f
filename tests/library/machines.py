"""Hypothesis state machines over asynchronous stores; all examples share loop and managers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from agent_sessions import SessionManager
from tests.support.waiting import HANGS

T = TypeVar("T")
Run = Callable[[Awaitable[T]], T]


class World:
    """The managers of one test and their event loop."""

    def __init__(self, runner: asyncio.Runner, managers: list[SessionManager]) -> None:
        self._runner = runner
        self.managers = managers

    def run(self, work: Awaitable[T]) -> T:
        async def waiting() -> T:
            return await asyncio.wait_for(work, HANGS)

        return self._runner.run(waiting())


@contextmanager
def world(*urls: dict[str, Any]) -> Iterator[World]:
    with asyncio.Runner() as runner:

        async def open_all() -> list[SessionManager]:
            return [await SessionManager.connect(**url) for url in urls]

        managers = runner.run(open_all())
        try:
            yield World(runner, managers)
        finally:
            for manager in managers:
                runner.run(manager.close())

"""An agent that forks inside its attach block on SIGUSR1, and checks what the children can do."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

from agent_sessions import Run, SessionManager, UsageError
from tools.chaos.agent import ChaosWriter, connected, short

ENDLESS = 10


class Forking(ChaosWriter):
    async def go(self, run: Run) -> None:
        self._asked = False
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._ask)
        await super().go(run)

    def _ask(self) -> None:
        self._asked = True

    async def step(self, run: Run) -> None:
        if self._asked:
            self._asked = False
            await self._fork(run)
        await super().step(run)

    async def _fork(self, run: Run) -> None:
        """Forks by os.fork, by multiprocessing, and with a child that leaves the block by sys.exit."""
        if (child := os.fork()) == 0:
            self._in_child(run, "os.fork")
            os._exit(0)
        await self._ended("os.fork", child)
        process = multiprocessing.get_context("fork").Process(
            target=self._in_child, args=(run, "multiprocessing")
        )
        process.start()
        await asyncio.to_thread(process.join, ENDLESS)
        self.ledger.note("child", how="multiprocessing", code=process.exitcode)
        if (child := os.fork()) == 0:
            signal.alarm(ENDLESS)
            sys.exit(0)
        await self._ended("sys.exit", child)
        self.ledger.note("forked")

    async def _ended(self, how: str, child: int) -> None:
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        self.ledger.note("child", how=how, code=os.waitstatus_to_exitcode(status))

    def _in_child(self, run: Run, how: str) -> None:
        signal.alarm(ENDLESS)
        asyncio.run(self._use(run, how))

    async def _use(self, run: Run, how: str) -> None:
        """Inherited objects must refuse calls; a manager that the child creates must work."""
        manager = cast(SessionManager, run._manager)  # like a variable of the agent
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "checkpoint": lambda: run.checkpoint("child", {}),
            "save": run.save,
            "safe_point": run.safe_point,
            "read": lambda: manager.read(self.session_id),
            "heartbeat": lambda: manager.heartbeat(self.session_id),
            "create_session": lambda: manager.create_session("grader", "child"),
        }
        await asyncio.wait_for(manager.close(), 3)  # must return at once and close nothing
        for name, call in calls.items():
            self.ledger.note("called", how=how, call=name, refused=await refusal(call))
        async with await connected() as own:
            session = await own.create_session("grader", f"child of {self.session_id}")
            session.checkpoint("child", {})
            await own.update_session(session)


async def refusal(call: Callable[[], Awaitable[Any]]) -> str:
    """Empty after a UsageError; otherwise what happened instead."""
    try:
        await asyncio.wait_for(call(), 3)
    except UsageError:
        return ""
    except Exception as error:
        return short(error)
    return "was not refused"

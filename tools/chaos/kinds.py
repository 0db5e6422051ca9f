"""Kinds of agents: different code around the calls of a run."""

from __future__ import annotations

import asyncio

from agent_sessions import Run
from tools.chaos.agent import PACE, ChaosWriter, short
from tools.chaos.forking import Forking
from tools.chaos.ledger import Ledger

PATIENCE = 10  # errors in a row that one block ignores before it gives up


class HandingBack(ChaosWriter):
    options = {"stop_on_sigterm": True}


class TakingOver(ChaosWriter):
    """Takes the session over once, and then does not take it back from a later owner."""

    def __init__(self, session_id: str, ledger: Ledger) -> None:
        super().__init__(session_id, ledger)
        self.options = {"take_over": True}

    async def go(self, run: Run) -> None:
        self.options = {}
        await super().go(run)


class TwoTasks(ChaosWriter):
    """One task writes all the time; the other works between its writes without a safe point."""

    async def go(self, run: Run) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(super().go(run))
            group.create_task(self._slowly(run))

    async def _slowly(self, run: Run) -> None:
        while True:
            for _ in range(15):
                self.ledger.note("work")
                await asyncio.sleep(PACE)
            await self.step(run)


class Wrapping(ChaosWriter):
    """Ignores errors, up to `PATIENCE` in a row."""

    async def go(self, run: Run) -> None:
        swallowed = 0
        while swallowed < PATIENCE:
            try:
                await self.wrapped(run)
                swallowed = 0
            except Exception as error:
                self.ledger.note("swallowed", error=short(error))
                swallowed += 1
            await asyncio.sleep(PACE)

    async def wrapped(self, run: Run) -> None:
        await self.step(run)


class Gathering(Wrapping):
    async def wrapped(self, run: Run) -> None:
        found = await asyncio.gather(self.step(run), self.step(run), return_exceptions=True)
        for error in found:
            if isinstance(error, Exception):
                raise RuntimeError("a tool failed") from error


class Grouping(Wrapping):
    async def wrapped(self, run: Run) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.step(run))
            group.create_task(self.step(run))


class Shielding(Wrapping):
    """A timeout on the wait, not on the call."""

    async def wrapped(self, run: Run) -> None:
        writing = asyncio.create_task(self.step(run))
        while not writing.done():
            try:
                await asyncio.wait_for(asyncio.shield(writing), 0.3)
            except TimeoutError:
                continue


class TimingOut(Wrapping):
    """Cancels the call and repeats it with the same values."""

    async def store(self, run: Run, n: int, kind: str) -> None:
        while True:
            try:
                return await asyncio.wait_for(super().store(run, n, kind), 0.3)
            except TimeoutError:
                continue


KINDS: dict[str, type[ChaosWriter]] = {
    "plain": ChaosWriter,
    "handing back": HandingBack,
    "taking over": TakingOver,
    "two tasks": TwoTasks,
    "swallowing": Wrapping,
    "gathering": Gathering,
    "grouping": Grouping,
    "shielding": Shielding,
    "timing out": TimingOut,
    "forking": Forking,
}

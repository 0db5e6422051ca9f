"""An attached agent, written as docs/agents.md shows, with one task or two that share a run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from agent_sessions import OrderReceived, RolledBack, Run, SessionError, StorageUnavailable
from tools.stress.base_actor import PATIENCE, ActorTask

ENDS = 0.01  # of all steps; the agent then completes its session


class AttachedAgent(ActorTask):
    async def work(self) -> None:
        while not self.ending.is_set():
            try:
                await self.call("attach", self._attached)
            except RolledBack:
                continue
            except (OrderReceived, StorageUnavailable):
                await asyncio.sleep(3 * PATIENCE)
            except SessionError:
                # the judge decides whether the error may leave `attach`
                await asyncio.sleep(3 * PATIENCE)

    async def _attached(self) -> None:
        run_id, interval = self.value(), self.random.uniform(0.5, 2.0)
        async with self.manager.attach(self.session, interval=interval, complete=False) as run:
            await self.call("entered", _nothing, lambda _: run.session)
            tasks = [
                asyncio.create_task(self._task(run, run_id, number))
                for number in range(self.actor.tasks)
            ]
            await _first_error(tasks)

    async def _task(self, run: Run, run_id: str, number: int) -> None:
        facts: dict[str, Any] = {
            "run": run_id,
            "tasks": self.actor.tasks,
            "path": f"{self.actor.name} {number}",
        }
        while not self.ending.is_set():
            epoch = run.session.epoch
            await self.call("step", self.pause, epoch=epoch, **facts)
            await self._safe_point(run, facts | {"epoch": epoch})
            if self.actor.tasks == 1 and self.random.random() < ENDS:
                await self.patiently("complete", run.complete, state="completed", **facts)
                return

    async def _safe_point(self, run: Run, facts: dict[str, Any]) -> None:
        kind = self.random.choices(["both", "checkpoint", "save", "safe_point"], [6, 3, 1, 1])[0]
        wants: dict[str, Any] = {}
        if kind in ("both", "save"):
            wants = {facts["path"]: self.value()}
        tokens = [self.value()] if kind in ("both", "checkpoint") else []
        act = self._act(run, kind, wants, tokens)
        alone = self.actor.tasks == 1
        name = "checkpoint" if kind == "both" else kind
        await self.patiently(
            name, act, lambda _: run.session if alone else None, wants=wants, tokens=tokens, **facts
        )

    def _act(
        self, run: Run, kind: str, wants: dict[str, Any], tokens: list[str]
    ) -> Callable[[], Awaitable[Any]]:
        async def act() -> None:
            run.context.update(wants)
            if tokens:
                await run.checkpoint(f"{self.actor.name} worked", {"token": tokens[0]})
            elif kind == "save":
                await run.save()
            else:
                await run.safe_point()

        return act


async def _nothing() -> None:
    pass


async def _first_error(tasks: list[asyncio.Task[None]]) -> None:
    """Waits until one task raises or all end, cancels the others, and raises the error itself, not a group."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for error in results:
        if isinstance(error, Exception):
            raise error

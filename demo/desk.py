"""The sessions that belong to one agent process, each worked on in a task of its own.

Work is handed over through the sessions: their creator writes the worker's name into the metadata.
A restarted process finds its sessions by that name, including finished ones that an administrator
rolled back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from agent_sessions import (
    AgentSession,
    Conflict,
    OrderReceived,
    RolledBack,
    Run,
    SessionCheckpoint,
    SessionManager,
    SessionNotFound,
    SessionOwned,
    WriteRefused,
    tasks,
)
from demo.patience import AWAY, Waits, patiently
from demo.surroundings import Surroundings

log = logging.getLogger("demo")
LOOK_SECONDS = 2.0
TRY_AGAIN_SECONDS = 5.0


class ReadAgain(WriteRefused):
    """An administrator edited a value that this agent was about to write: it attaches again."""


class Work:
    """A run that retries while its store is unavailable."""

    def __init__(self, run: Run, manager: SessionManager, around: Surroundings) -> None:
        self.run = run
        self.manager = manager
        self.around = around

    @property
    def context(self) -> dict[str, Any]:
        """Read values from it anew after every await: a write may merge the changes of others into it."""
        return self.run.context

    @property
    def session_id(self) -> str:
        return self.run.session.session_id

    async def step(self) -> None:
        """Ends a small piece of work with a safe point."""
        await self.around.pace.step()
        await patiently("safe point", self.run.safe_point)

    async def checkpoint(self, name: str, data: dict[str, Any]) -> SessionCheckpoint:
        try:
            return await patiently(name, lambda: self.run.checkpoint(name, data))
        except Conflict as error:
            raise ReadAgain(str(error)) from error

    async def look_up(self, session_id: str) -> AgentSession | None:
        return await patiently("reading", lambda: self.manager.get_session(session_id))

    async def complete(self, result: dict[str, Any]) -> None:
        await patiently("complete", lambda: self.run.complete(result))


Job = Callable[[Work], Awaitable[None]]


async def live(manager: SessionManager, around: Surroundings, session_id: str, job: Job) -> None:
    """Works on one session until it has ended, and again after each rollback."""
    pauses = Waits()
    while True:
        try:
            async with manager.attach(session_id, interval=around.beat_seconds) as run:
                pauses = Waits()
                run.session.metadata.update(around.process())
                await job(Work(run, manager, around))
            return
        except (RolledBack, ReadAgain) as order:
            log.info("%s: %s", session_id, order)
        except (*AWAY, SessionOwned) as error:
            log.debug("%s: %s", session_id, error)
            await asyncio.sleep(pauses.next())
        except (OrderReceived, WriteRefused, SessionNotFound) as order:
            log.info("%s: %s", session_id, order)
            return


class Desk:
    def __init__(
        self, manager: SessionManager, around: Surroundings, agent_type: str, job: Job
    ) -> None:
        self.manager = manager
        self.around = around
        self.agent_type = agent_type
        self.job = job
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.not_before: dict[str, float] = {}

    async def tick(self) -> None:
        """Starts a task for each session of this worker that has none."""
        self._clear()
        for session in await self.mine():
            if session.session_id not in self.tasks and self._may_try(session.session_id):
                self.take(session.session_id)

    async def mine(self) -> list[AgentSession]:
        return await patiently("looking for work", self._mine)

    async def _mine(self) -> list[AgentSession]:
        everyone = self.manager.iterate_active_sessions(self.agent_type)
        return [s async for s in everyone if s.metadata.get("worker") == self.around.worker]

    def take(self, session_id: str) -> None:
        self.tasks[session_id] = asyncio.create_task(
            live(self.manager, self.around, session_id, self.job), name=session_id
        )

    async def run(self) -> None:
        """Checks at most a tenth of the time, because reading thousands of sessions takes long."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self.tick()
            await asyncio.sleep(max(LOOK_SECONDS, 10 * (loop.time() - began)))

    async def close(self) -> None:
        """Cancels the tasks and leaves the sessions open for the next process of this name."""
        await tasks.cancel_and_wait(*self.tasks.values())
        self._clear()

    def _clear(self) -> None:
        for session_id in [one for one, task in self.tasks.items() if task.done()]:
            task = self.tasks.pop(session_id)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.info("%s failed: %s: %s", session_id, type(error).__name__, error)
                self.not_before[session_id] = task.get_loop().time() + TRY_AGAIN_SECONDS

    def _may_try(self, session_id: str) -> bool:
        """False for a few seconds after the job failed: its session may be active all the same."""
        now = asyncio.get_running_loop().time()
        self.not_before = {one: until for one, until in self.not_before.items() if until > now}
        return session_id not in self.not_before


class Rota(Desk):
    """A desk that also creates sessions: up to `places` at once, with a pause within the range `rest` between two."""

    def __init__(
        self,
        manager: SessionManager,
        around: Surroundings,
        agent_type: str,
        job: Job,
        begin: Callable[[], Awaitable[AgentSession | None]],
        *,
        places: int,
        rest: tuple[float, float],
    ) -> None:
        super().__init__(manager, around, agent_type, job)
        self.begin = begin
        self.places = places
        self.rest = rest
        self.next_begin = 0.0

    async def tick(self) -> None:
        await super().tick()
        now = asyncio.get_running_loop().time()
        if len(self.tasks) >= self.places or now < self.next_begin:
            return
        session = await patiently("beginning a session", self.begin)
        if session is not None:
            self.take(session.session_id)
            self.next_begin = now + self.around.pace.seconds(*self.rest)

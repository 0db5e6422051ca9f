"""An agent's desk: the sessions that belong to this process, each worked on in a task of its own.

Work is handed over through the sessions themselves: whoever creates one writes the name of the worker into
its metadata. A process that was killed finds its sessions again by that name, and a finished session that an
administrator rolled back is active again and so is found, too.
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
    """An administrator edited what this agent was about to write: read it again and go on from there."""


class Work:
    """One session in the hands of its agent: a run whose store may go away for a while."""

    def __init__(self, run: Run, manager: SessionManager, around: Surroundings) -> None:
        self.run = run
        self.manager = manager
        self.around = around

    @property
    def context(self) -> dict[str, Any]:
        """Ask for it anew after every await: storing may have brought in what others changed."""
        return self.run.context

    @property
    def session_id(self) -> str:
        return self.run.session.session_id

    async def step(self) -> None:
        """The end of a small piece of work, and a safe point."""
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
    """Work on one session until it has ended, however often it is rolled back meanwhile."""
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
        """Take up what is mine and not in hand yet."""
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
        """Looking through thousands of sessions takes long; then it is done less often."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self.tick()
            await asyncio.sleep(max(LOOK_SECONDS, 10 * (loop.time() - began)))

    async def close(self) -> None:
        """Let go without ending anything: the sessions wait for the next process of this name."""
        await tasks.cancel_and_wait(*self.tasks.values())
        self._clear()

    def _clear(self) -> None:
        for session_id in [one for one, task in self.tasks.items() if task.done()]:
            task = self.tasks.pop(session_id)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.info("%s failed: %s: %s", session_id, type(error).__name__, error)
                self.not_before[session_id] = task.get_loop().time() + TRY_AGAIN_SECONDS

    def _may_try(self, session_id: str) -> bool:
        """What failed and is active all the same (rolled back, or its end not stored) may wait a little."""
        now = asyncio.get_running_loop().time()
        self.not_before = {one: until for one, until in self.not_before.items() if until > now}
        return session_id not in self.not_before


class Rota(Desk):
    """A desk that begins sessions of its own: `places` at once, some rest between two of them."""

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

"""The base of all actors, and the writers that use the library without `attach`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeVar

from agent_sessions import AgentSession, SessionError, SessionManager, StorageUnavailable
from tools.stress.call_log import Log
from tools.stress.plan import Actor

T = TypeVar("T")
PATIENCE = 0.1
SHARED = "shared"


class ActorTask:
    """One actor of the plan. `ending` is set when it should finish its current call and stop."""

    def __init__(
        self, actor: Actor, session: str, manager: SessionManager, log: Log, attempt: int
    ) -> None:
        self.actor, self.session, self.manager, self._log = actor, session, manager, log
        self.random = Random(f"{session} {actor.name} {attempt}")  # noqa: S311
        self.ending = asyncio.Event()
        self._attempt = attempt
        self._values = 0

    async def work(self) -> None:
        raise NotImplementedError

    async def call(
        self,
        name: str,
        work: Callable[[], Awaitable[T]],
        copy: Callable[[T], AgentSession | None] = lambda _: None,
        **facts: Any,
    ) -> T:
        return await self._log.call(self.actor.name, self.session, name, work, copy, **facts)

    async def patiently(
        self,
        name: str,
        work: Callable[[], Awaitable[T]],
        copy: Callable[[T], AgentSession | None] = lambda _: None,
        **facts: Any,
    ) -> T:
        """Repeats the same call with the same values after StorageUnavailable (docs/agents.md)."""
        while True:
            try:
                return await self.call(name, work, copy, **facts)
            except StorageUnavailable:
                if self.ending.is_set():
                    raise
                await asyncio.sleep(PATIENCE)

    def value(self) -> str:
        """A value that is unique within the run."""
        self._values += 1
        return f"{self.actor.name} {self._attempt}.{self._values}"

    async def pause(self) -> None:
        seconds = self.actor.pace * self.random.uniform(0.2, 1.8)
        try:
            await asyncio.wait_for(self.ending.wait(), seconds)
        except TimeoutError:
            pass


class WriterTask(ActorTask):
    """Reads a session, and changes its copy several times with update_session, now and then with edit."""

    async def work(self) -> None:
        while not self.ending.is_set():
            try:
                await self._with_one_copy()
            except SessionError:
                pass  # the log has the error; the next copy is read anew
            await self.pause()

    async def _with_one_copy(self) -> None:
        session = await self._read()
        for _ in range(self.random.randint(1, 8)):
            if session is None or self.ending.is_set():
                return
            await self.pause()
            act = self.random.choices([self._write, self._edit], [5, 1])[0]
            session = await act(session)

    async def _read(self) -> AgentSession | None:
        return await self.call(
            "get_session", lambda: self.manager.get_session(self.session), lambda found: found
        )

    async def _write(self, session: AgentSession) -> AgentSession:
        facts = self._change(session)
        if self.actor.transitions and self.random.random() < 0.3:
            facts |= _transition(session)
        await self.patiently(
            "update_session",
            lambda: self.manager.update_session(session),
            lambda _: session,
            epoch=session.epoch,
            order_seen=session.order_version,
            **facts,
        )
        return session

    def _change(self, session: AgentSession) -> dict[str, Any]:
        """Adds checkpoints, changes a path, or both; the path is its own, rarely the one that all writers share."""
        wants, seen, tokens = {}, {}, []
        for _ in range(self.random.choice([0, 1, 1, 1, 2, 3])):
            tokens.append(self.value())
            session.checkpoint(f"{self.actor.name} worked", {"token": tokens[-1]})
        if not tokens or self.random.random() < 0.4:
            path = SHARED if self.random.random() < 0.2 else self.actor.name
            seen[path], wants[path] = session.context.get(path), self.value()
            session.context[path] = wants[path]
        return {"tokens": tokens, "wants": wants, "seen": seen}

    async def _edit(self, session: AgentSession) -> AgentSession | None:
        """Edits with the copy's stored context and version."""
        wants = {f"{self.actor.name} edits": self.value()}
        await self.call(
            "edit",
            lambda: self.manager.edit(
                self.session,
                context=session.context | wants,
                seen_version=session.version,
                actor=self.actor.name,
            ),
            lambda edited: edited,
            wants=wants,
        )
        return await self._read()


def _transition(session: AgentSession) -> dict[str, Any]:
    if session.state == "active":
        session.pause()
        return {"state": "paused"}
    if session.state == "paused":
        session.resume()
        return {"state": "active"}
    return {}

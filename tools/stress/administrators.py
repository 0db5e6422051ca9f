"""An administrator who gives the orders of the plan, including forbidden ones."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from agent_sessions import AgentSession, SessionCheckpoint, SessionError, StorageUnavailable
from tools.stress.base_actor import PATIENCE, ActorTask
from tools.stress.plan import PlannedOrder

TRIES = 3


class Administrator(ActorTask):
    async def work(self) -> None:
        for order in self.actor.orders:
            try:
                await asyncio.wait_for(self.ending.wait(), order.wait)
                return
            except TimeoutError:
                pass
            try:
                await self._give(order)
            except SessionError:
                pass  # the log has the error

    async def _give(self, order: PlannedOrder) -> None:
        request_id = uuid.uuid4()
        who = {"actor": self.actor.name, "reason": self.value(), "request_id": request_id}
        work, facts = await self._work(order.verb, who)
        if work is None:
            return
        for _ in range(2 if order.twice else 1):
            await self._until_answered(order.verb, work, facts | {"request": str(request_id)})

    async def _until_answered(
        self, verb: str, work: Callable[[], Awaitable[AgentSession]], facts: dict[str, Any]
    ) -> None:
        """Repeats the same request while its outcome is unknown, up to `TRIES` times."""
        for _ in range(TRIES):
            try:
                await self.call(verb, work, lambda session: session, **facts)
                return
            except StorageUnavailable:
                await asyncio.sleep(PATIENCE)

    async def _work(
        self, verb: str, who: dict[str, Any]
    ) -> tuple[Callable[[], Awaitable[AgentSession]] | None, dict[str, Any]]:
        manager, session = self.manager, self.session
        match verb:
            case "edit":
                return await self._edit(who)
            case "rollback":
                n = await self._some_checkpoint()
                return (lambda: manager.rollback(session, n, **who)), {"order": verb}
            case "fail":
                return (lambda: manager.fail(session, "by order", **who)), {"order": verb}
            case _:
                order = getattr(manager, verb)
                return (lambda: order(session, **who)), {"order": verb}

    async def _some_checkpoint(self) -> int:
        def found() -> Awaitable[list[SessionCheckpoint]]:
            return self.manager.get_checkpoints(self.session, limit=1000)

        checkpoints = await self.call("get_checkpoints", found)
        return self.random.choice(checkpoints[-20:]).n or 1

    async def _edit(
        self, who: dict[str, Any]
    ) -> tuple[Callable[[], Awaitable[AgentSession]] | None, dict[str, Any]]:
        """An edit as the page makes it: one path changed, with the version that was read."""
        read = self.random.choice([self.manager.get_session, self.manager.read])
        seen = await self.call(read.__name__, lambda: read(self.session), lambda found: found)
        if seen is None:
            return None, {}
        wants = {f"{self.actor.name} edits": self.value()}
        context = seen.context | wants

        def work() -> Awaitable[AgentSession]:
            return self.manager.edit(
                self.session, context=context, seen_version=seen.version, **who
            )

        return work, {"wants": wants}

"""What a run calls of its manager, as a protocol: the manager makes runs, so a run cannot import it."""

from __future__ import annotations

from typing import Any, Protocol

from agent_sessions.models import AgentSession, Head, SessionCheckpoint


class RunManager(Protocol):
    async def read(self, session_id: str) -> AgentSession | None: ...

    async def head(self, session_id: str) -> Head: ...

    async def heartbeat(self, session_id: str) -> Head: ...

    async def renew(self, session: AgentSession) -> None: ...

    async def update_session(self, session: AgentSession) -> None: ...

    async def acknowledge(self, session_id: str, order_version: int) -> None: ...

    async def report_parts(
        self, session_id: str, order_version: int, parts: int, at_work: int
    ) -> None: ...

    async def count_attempt(
        self, session: AgentSession, attempts: int, detail: dict[str, Any]
    ) -> None: ...

    async def get_checkpoints(
        self, session_id: str, *, after: int = 0, limit: int = 200
    ) -> list[SessionCheckpoint]: ...

    async def restart_point(self, session: AgentSession) -> SessionCheckpoint | None: ...

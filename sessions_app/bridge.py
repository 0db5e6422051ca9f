"""One manager for the whole web process, on a loop of its own: the way in for views, the admin and commands.

A psycopg pool and a redis.asyncio client belong to the loop that made them; Django's threads come and go.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal
from django.conf import settings

from agent_sessions import SessionManager

Result = TypeVar("Result")


class Bridge:
    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._close: Any = None
        self._manager: SessionManager | None = None
        self._attempt: asyncio.Task[SessionManager] | None = None
        self._at_close: list[Callable[[], Awaitable[None]]] = []

    def run(self, operation: Callable[[], Awaitable[Result]]) -> Result:
        """Wait for something that needs the loop, but not the shared manager."""
        return self._running().call(operation)

    def at_close(self, closing: Callable[[], Awaitable[None]]) -> None:
        """What else lives on the loop ends with it."""
        self._at_close.append(closing)

    def call(self, operation: Callable[[SessionManager], Awaitable[Result]]) -> Result:
        """Wait for one operation on the shared manager, from any thread without a loop.

        Raises whatever it raises; StorageUnavailable while PostgreSQL cannot be reached.
        """
        return self._running().call(self._operate, operation)

    def close(self) -> None:
        """Flush and stop. A later call starts anew."""
        with self._starting:
            portal, self._portal = self._portal, None
            if portal is not None:
                portal.call(self._disconnect)
                self._close(None, None, None)

    def _running(self) -> BlockingPortal:
        with self._starting:
            if self._portal is None:
                starting = start_blocking_portal("asyncio", name="session manager")
                self._portal = starting.__enter__()
                self._close = starting.__exit__
        return self._portal

    async def _operate(self, operation: Callable[[SessionManager], Awaitable[Result]]) -> Result:
        return await operation(await self._connected())

    async def _connected(self) -> SessionManager:
        """Whoever comes while a connection is being tried shares the attempt, and its failure."""
        if self._manager is not None:
            return self._manager
        if self._attempt is None:
            self._attempt = asyncio.create_task(self._connect(), name="connecting the manager")
        return await asyncio.shield(self._attempt)

    async def _connect(self) -> SessionManager:
        try:
            self._manager = await SessionManager.connect(
                settings.DATABASE_URL,
                settings.VALKEY_URL or None,
                namespace=settings.SESSION_NAMESPACE,
                source="page",
                cache_size=1_000,
            )
            return self._manager
        finally:
            self._attempt = None

    async def _disconnect(self) -> None:
        closings, self._at_close = self._at_close, []
        for closing in closings:
            await closing()
        manager, self._manager = self._manager, None
        if manager is not None:
            await manager.close()


bridge = Bridge()
call = bridge.call
atexit.register(bridge.close)


def announce(session_ids: Sequence[str]) -> None:
    """Tell the agents of changes that reached the feed: psql and older agents tell nobody."""
    call(lambda manager: manager.announce(session_ids))

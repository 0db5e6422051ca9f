"""The web process's manager on its own event loop, for synchronous views, admin and commands.

A psycopg pool and a redis.asyncio client belong to the loop that made them; Django's threads come and go.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal
from django.conf import settings

from agent_sessions import SessionManager, StorageUnavailable, tasks

Result = TypeVar("Result")

# The last resort: the time limits of all parts together stay below it. It covers a PostgreSQL that never answers, or a
# loop that died under its callers.
CALL_TIMEOUT = 30.0
SHUTDOWN_TIMEOUT = 5.0


class ManagerPortal:
    def __init__(self) -> None:
        self._begin()

    def after_fork(self) -> None:
        """A child has neither thread nor loop; it keeps the parent's objects, so that none is finalised there."""
        self._parents = vars(self).copy()
        self._begin()

    def _begin(self) -> None:
        self._starting = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._close: Any = None
        self._manager: SessionManager | None = None
        self._attempt: asyncio.Task[SessionManager] | None = None
        self._at_close: list[Callable[[], Awaitable[None]]] = []
        self._working: set[asyncio.Task[Any]] = set()

    def run(self, operation: Callable[[], Awaitable[Result]]) -> Result:
        """Runs something that needs the loop, but not the shared manager."""
        portal = self._running()
        try:
            started = portal.start_task_soon(self._limited, operation)
        except RuntimeError:  # its loop has died, or another thread has just closed it
            with self._starting:
                if self._portal is portal:
                    self._portal = self._manager = self._attempt = None
            started = self._running().start_task_soon(self._limited, operation)
        return self._wait(started)

    def at_close(self, closing: Callable[[], Awaitable[None]]) -> None:
        """Registers what is awaited on the loop before it ends."""
        self._at_close.append(closing)

    def call(self, operation: Callable[[SessionManager], Awaitable[Result]]) -> Result:
        """Runs one operation on the shared manager, from any thread without a loop.

        Raises its errors; StorageUnavailable while PostgreSQL cannot be reached.
        """
        return self.run(lambda: self._operate(operation))

    def close(self) -> None:
        """Flushes and stops. A later call starts again."""
        with self._starting:
            portal, self._portal = self._portal, None
            if portal is not None:
                try:
                    self._wait(portal.start_task_soon(self._disconnect))
                finally:
                    portal.call(portal.stop, True)
                    self._close(None, None, None)

    def _running(self) -> BlockingPortal:
        with self._starting:
            if self._portal is None:
                starting = start_blocking_portal("asyncio", name="session manager")
                self._portal = starting.__enter__()
                self._close = starting.__exit__
        return self._portal

    def _wait(self, future: Future[Result]) -> Result:
        try:
            return future.result(CALL_TIMEOUT + SHUTDOWN_TIMEOUT)
        except TimeoutError:
            if future.done():
                raise
        raise _no_answer()

    async def _limited(self, operation: Callable[[], Awaitable[Result]]) -> Result:
        """Stops waiting after the limit without cancelling: the write may still be committed."""
        work = asyncio.ensure_future(operation())
        self._working.add(work)
        work.add_done_callback(self._done)
        await asyncio.wait({work}, timeout=CALL_TIMEOUT)
        if not work.done() or work.cancelled():
            raise _no_answer()
        return work.result()

    def _done(self, work: asyncio.Task[Any]) -> None:
        self._working.discard(work)
        if not work.cancelled():
            work.exception()  # marks the error as retrieved; a waiting caller gets it, too

    async def _operate(self, operation: Callable[[SessionManager], Awaitable[Result]]) -> Result:
        return await operation(await self._connected())

    async def _connected(self) -> SessionManager:
        """Callers during a connection attempt share it and its error."""
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
        if self._working:
            await asyncio.wait(self._working, timeout=SHUTDOWN_TIMEOUT)
        closings, self._at_close = self._at_close, []
        manager, self._manager = self._manager, None
        try:
            for closing in closings:
                await closing()
            if manager is not None:
                await manager.close()
        finally:
            attempt = (self._attempt,) if self._attempt is not None else ()
            await tasks.cancel_and_wait(*self._working, *attempt)


def _no_answer() -> StorageUnavailable:
    return StorageUnavailable(
        f"no answer within {CALL_TIMEOUT:.0f} s: it is not known whether it was stored"
    )


portal = ManagerPortal()
call = portal.call
atexit.register(portal.close)
os.register_at_fork(after_in_child=portal.after_fork)


def announce(session_ids: Sequence[str]) -> None:
    """Announces changes that only the feed has noticed: those of psql and old agents."""
    call(lambda manager: manager.announce(session_ids))

"""Checks that the library is used in a way that can work; the error says what to do instead."""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import Any

from agent_sessions.basic_errors import UsageError


def require_async_pool(pool: Any) -> None:
    """Raises UsageError for what is no `psycopg_pool.AsyncConnectionPool`, such as a pool of asyncpg."""
    if not inspect.iscoroutinefunction(getattr(pool, "getconn", None)):
        raise UsageError(
            f"db_pool is a {_kind(pool)}: a psycopg_pool.AsyncConnectionPool is needed, or"
            " SessionManager.connect(database_url, valkey_url), which makes its own"
        )


def require_async_client(client: Any) -> None:
    """Raises UsageError for what is no asynchronous client, such as `redis.Redis`."""
    if not inspect.iscoroutinefunction(getattr(client, "execute_command", None)):
        raise UsageError(
            f"redis_client is a {_kind(client)}: a redis.asyncio.Redis is needed, or"
            " SessionManager.connect(database_url, valkey_url), which makes its own"
        )


class LoopBinding:
    """A manager belongs to the process and the event loop that used it first: its connections and tasks live there."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_copy(self) -> bool:
        """Whether this is a forked child process: the connections are the parent's and must not be used or closed here."""
        return os.getpid() != self._process

    def check(self) -> None:
        """Raises UsageError in another process, on another loop or without one."""
        if self.is_copy:
            raise UsageError(
                f"this manager was made in process {self._process} and copied by a fork: make one in each"
                " process after the fork (Celery: worker_process_init; gunicorn: post_fork)"
            )
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise UsageError(
                "there is no event loop here: call it inside the asyncio.run that uses the manager"
            ) from None
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise UsageError(
                "this manager was used in another event loop before: make it inside the asyncio.run that"
                " uses it, and use one asyncio.run for all"
            )


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"

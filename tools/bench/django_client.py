"""The dashboard's pages, requested in this process and over any database: middleware, view and template.

Django needs a thread without an event loop, and always the same one.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import django

from tools.bench.stage import DATA_DIR, Stage

Answer = TypeVar("Answer")


@dataclass
class Dashboard:
    stage: Stage
    thread: ThreadPoolExecutor

    async def over(self, database: str, ask: Callable[[Any], Answer]) -> Answer:
        """The result of `ask(client)` for a logged-in client, with `database` as the dashboard's database."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.thread, self._ask, database, ask)

    async def prepare(self, database: str) -> None:
        """Recreates the database with the dashboard's tables."""
        self.stage.recreate(database)
        await self.over(database, lambda client: None)

    def _ask(self, database: str, ask: Callable[[Any], Answer]) -> Answer:
        from django.db import connections

        if database not in connections.settings:
            connections.settings[database] = {**connections.settings["default"], "NAME": database}
        connections["default"] = connections[database]
        return ask(_client())


_clients: dict[str, Any] = {}


def _client() -> Any:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    if connection.alias not in _clients:
        call_command("migrate", verbosity=0)
        user, _ = User.objects.get_or_create(
            username="bench", defaults={"is_superuser": True, "is_staff": True}
        )
        _clients[connection.alias] = client = Client(headers={"host": "localhost"})
        client.force_login(user)
    return _clients[connection.alias]


@contextmanager
def dashboard(stage: Stage) -> Iterator[Dashboard]:
    os.environ |= {
        "DATABASE_URL": stage.url("postgres"),
        "VALKEY_URL": stage.valkey_url,
        "DATA_DIR": str(DATA_DIR),
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }
    with ThreadPoolExecutor(1, thread_name_prefix="dashboard") as thread:
        thread.submit(django.setup).result()
        try:
            yield Dashboard(stage, thread)
        finally:
            thread.submit(_end).result()


def _end() -> None:
    from django.db import connections

    for name in _clients:
        connections[name].close()
        connections[name].close_pool()  # type: ignore[attr-defined]
    _clients.clear()


def timed(client: Any, path: str, times: int) -> float:
    """Milliseconds of one response: the mean of the faster half, because disturbances only add time."""

    def get() -> None:
        response = client.get(path)
        if response.status_code != 200:
            raise RuntimeError(f"{path}: {response.status_code}")

    return milliseconds(get, times)


def milliseconds(act: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        act()
        took.append(time.perf_counter() - begun)
    faster = sorted(took)[: max(1, times // 2)]
    return sum(faster) / len(faster) * 1000


def queries(client: Any, path: str) -> int:
    """The number of queries of this page, including those that load the user."""
    from django.db import connection

    count = 0

    def counted(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        nonlocal count
        count += 1
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(counted):
        client.get(path)
    return count


def again(read: Callable[[], object]) -> Callable[[], object]:
    """Calls `read` once; returns a function that repeats its last query."""
    from django.db import connection

    sent: list[tuple[str, Any]] = []

    def noted(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        sent.append((sql, parameters))
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(noted):
        read()

    def send() -> object:
        with connection.cursor() as cursor:
            cursor.execute(*sent[-1])
            return cursor.fetchall()

    return send

"""The figures of other rows over tables of ten and a hundred times as many sessions.

A cost that stays at 1 beside the smallest table is constant; a cost that grows with the table would
be 10 at ten times the rows.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from tools.bench import concurrent_calls, seed, seed_large_tables
from tools.bench.comparison import Arm, Bar, Comparison, Measured
from tools.bench.django_client import Dashboard, dashboard, timed
from tools.bench.stage import Stage

SIZES = (10_000, 100_000, 1_000_000)
AGENTS = 32
TIMES = 8
PAGES = {
    "list page": "/",
    "filter": "/?state=completed&type=grader",
    "search by user": "/?q=user:teacher-7",
    "search for text that is not there": "/?q=Astronomie",
}
NEWEST = (
    "SELECT id::text FROM agent_sessions WHERE state = 'active' ORDER BY created_at DESC LIMIT %s"
)
GrowthStep = Callable[[Any, str], Awaitable[Any]]


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    sizes = [max(100, round(size * stage.scale)) for size in SIZES]
    names = {size: f"bench_growth_{n}" for n, size in enumerate(sizes)}
    with dashboard(stage) as pages:
        for size, database in names.items():
            await pages.prepare(database)
            seed_large_tables.fill(stage, database, size, live=100)
        async with AsyncExitStack() as stack:
            managers = {
                size: await stack.enter_async_context(stage.ours(names[size])) for size in sizes
            }
            arms = _acts(stage, names, managers) | _looks(pages, names)
            for work, of in arms.items():
                for size in sizes[1:]:
                    yield Comparison(
                        f"{work}, rows ×{size // sizes[0]} ({size:,})",
                        f"itself at {sizes[0]:,}",
                        of[size],
                        of[sizes[0]],
                        (Bar("cost", "µs each" if work in ACTS else "ms"),),
                    )


async def _beat(manager: Any, session_id: str) -> None:
    await manager.heartbeat(session_id)


async def _read(manager: Any, session_id: str) -> None:
    await manager.read(session_id)


async def _create(manager: Any, session_id: str) -> None:
    await manager.create_session("grader", "teacher-1", seed.context())


async def _checkpoint(manager: Any, session_id: str) -> None:
    session = await manager.read(session_id)
    session.checkpoint("essay_marked", seed.data())
    await manager.update_session(session)


ACTS: dict[str, GrowthStep] = {
    "heartbeat": _beat,
    "read from PostgreSQL": _read,
    "read and checkpoint": _checkpoint,
    "create": _create,
}


def _acts(
    stage: Stage, names: dict[int, str], managers: dict[int, Any]
) -> dict[str, dict[int, Arm]]:
    ids = {
        size: [id for (id,) in stage.fetch(database, NEWEST, (AGENTS,))]
        for size, database in names.items()
    }

    def arm(act: GrowthStep, size: int) -> Arm:
        async def run() -> Measured:
            manager = managers[size]
            begun = time.perf_counter()
            done = await concurrent_calls.until(
                stage.seconds, ids[size], lambda id: act(manager, id)
            )
            await manager.tick()
            return {"cost": (time.perf_counter() - begun) / done.total * 1e6}

        return run

    return {work: {size: arm(act, size) for size in names} for work, act in ACTS.items()}


def _looks(pages: Dashboard, names: dict[int, str]) -> dict[str, dict[int, Arm]]:
    def arm(path: str, database: str) -> Arm:
        async def run() -> Measured:
            return {"cost": await pages.over(database, lambda client: timed(client, path, TIMES))}

        return run

    return {
        work: {size: arm(path, database) for size, database in names.items()}
        for work, path in PAGES.items()
    }

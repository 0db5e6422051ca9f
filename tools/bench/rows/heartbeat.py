"""Heartbeats of many agents in one process.

A session's heartbeats count when PostgreSQL has its newest one at the end. Ours reach it in
batches; none counts if PostgreSQL was ever more than five seconds behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from tools.bench import concurrent_calls, seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured, NotRight
from tools.bench.stage import GUARDED, OLD, SECOND, Stage

SIZES = ((32, 20, 15), (2048, 20, 40), (32, 500, 100))
MOST_BEHIND = 5.0
BEHIND = """
SELECT extract(epoch FROM clock_timestamp() - min(last_heartbeat))::float FROM agent_sessions
"""


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    for agents, earlier, bar in SIZES:
        ids = seed.sessions(stage, GUARDED, agents, earlier=earlier)
        old_ids = seed.sessions(stage, OLD, agents, earlier=earlier)
        stage.forget()
        async with stage.ours() as ours, stage.theirs() as theirs:
            yield Comparison(
                f"{agents:,} agents, {earlier} checkpoints",
                "whole-row upsert",
                _arm(stage, GUARDED, ids, ours.heartbeat, ours.tick),
                _arm(stage, OLD, old_ids, theirs.heartbeat, _nothing),
                (Bar("rate", "beats/s", at_least=bar),),
            )
    many = seed.sessions(stage, GUARDED, 32, earlier=500)
    none = seed.sessions(stage, SECOND, 32)
    async with stage.ours() as with_many, stage.ours(SECOND) as with_none:
        yield Comparison(
            "32 agents, 500 checkpoints",
            "itself at none",
            _arm(stage, GUARDED, many, with_many.heartbeat, with_many.tick),
            _arm(stage, SECOND, none, with_none.heartbeat, with_none.tick),
            (Bar("rate", "beats/s", at_least=0.9),),
        )


async def _nothing() -> None:
    pass


def _arm(
    stage: Stage,
    database: str,
    ids: list[str],
    heartbeat: concurrent_calls.ConcurrentCall,
    drain: Callable[[], Awaitable[None]],
) -> Arm:
    async def arm() -> Measured:
        await asyncio.gather(*(heartbeat(session_id) for session_id in ids))
        await drain()
        behind: list[float] = []
        watching = asyncio.create_task(_watch(stage, database, behind))
        begun = time.perf_counter()
        done = await concurrent_calls.until(stage.seconds, ids, heartbeat)
        await drain()
        seconds = time.perf_counter() - begun
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        if database != OLD and max(behind) > MOST_BEHIND:
            raise NotRight(f"PostgreSQL was {max(behind):.1f} s behind")
        right = _right(stage, database, done)
        return {"rate": right / seconds}

    return arm


def _right(stage: Stage, database: str, done: concurrent_calls.Done) -> int:
    rows = stage.fetch(database, "SELECT id::text, last_heartbeat FROM agent_sessions")
    return sum(done.times[id] for id, stored in rows if stored >= done.last[id])


async def _watch(stage: Stage, database: str, behind: list[float]) -> None:
    async with stage.pool(database, 1) as pool, pool.connection() as connection:
        while True:
            found = await (await connection.execute(BEHIND)).fetchone()
            behind.append(found[0] if found else 0.0)
            await asyncio.sleep(0.5)

"""Failing the 1,000 of a million sessions that have been silent for two days.

Ours also writes a checkpoint, a history entry and an announcement for each. Meanwhile another
writer changes rows and measures its waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg

from tools.bench import seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured, NotRight
from tools.bench.stage import GUARDED, OLD, Stage

ROWS = 1_000_000
LOST = 1_000
AGE = timedelta(hours=48)
# One in twenty is live and new, the others have ended, as in a real table after some months.
FILL = """
INSERT INTO agent_sessions (id, agent_type, user_id, state, context, created_at, updated_at, last_heartbeat)
SELECT gen_random_uuid(), 'grader', 'teacher-' || i % 1000,
       CASE WHEN i > {rows} - {rows} / 20 THEN 'active' ELSE 'completed' END, '{"class": "7b"}',
       now() - interval '90 days' * ({rows} - i) / {rows}, now(), now()
FROM generate_series(1, {rows}) AS i
"""
LOSE = """
WITH lost AS (SELECT id FROM agent_sessions WHERE state = 'active' ORDER BY id LIMIT %(lost)s)
UPDATE agent_sessions s SET last_heartbeat = now() - interval '3 days' FROM lost WHERE lost.id = s.id
"""
FAIL = """
UPDATE agent_sessions SET state = 'failed', updated_at = now(),
    context = context || '{"failure_reason": "heartbeat_timeout"}'
WHERE state = 'active' AND last_heartbeat < now() - %s
"""
OTHERS = "SELECT id FROM agent_sessions WHERE state = 'active' ORDER BY id LIMIT 200"
TOUCH = "UPDATE agent_sessions SET last_heartbeat = last_heartbeat WHERE id = %s"
FAILED = "SELECT count(*) FROM agent_sessions WHERE state = 'failed' AND context->>'failure_reason' = 'heartbeat_timeout'"
REVIVE = """
SET session_replication_role = replica;
UPDATE agent_sessions SET state = 'active', context = '{"class": "7b"}', last_heartbeat = now() WHERE state = 'failed';
RESET session_replication_role
"""


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    for database in (GUARDED, OLD):
        seed.sessions(stage, database, 0)
        with_rows(stage, database)
    stage.forget()
    rows, lost = round(ROWS * stage.scale), round(LOST * stage.scale)
    async with stage.ours() as manager, stage.pool(OLD) as pool:

        async def theirs() -> None:
            async with pool.connection() as connection:
                await connection.execute(FAIL, (AGE,))

        async def ours() -> None:
            await manager.cleanup_stale_sessions(AGE)

        yield Comparison(
            f"{lost:,} lost among {rows:,} rows, one in twenty live",
            "one UPDATE … WHERE",
            _arm(stage, GUARDED, ours),
            _arm(stage, OLD, theirs),
            (Bar("seconds", "s", at_most=1), Bar("blocked", "ms another writer waited")),
        )
        yield Comparison(
            "how long another writer waits meanwhile",
            "",
            _arm(stage, GUARDED, ours),
            None,
            (Bar("blocked", "ms at most", at_most=100),),
            warm=False,
        )


def with_rows(stage: Stage, database: str) -> None:
    with psycopg.connect(stage.url(database), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(FILL.replace("{rows}", str(round(ROWS * stage.scale))))
    stage.settle(database)


def _arm(stage: Stage, database: str, sweep: Callable[[], Awaitable[None]]) -> Arm:
    async def arm() -> Measured:
        stage.execute(database, REVIVE)
        stage.execute(database, LOSE, {"lost": round(LOST * stage.scale)})
        stage.settle(database)
        async with _another_writer(stage, database) as waited:
            begun = time.perf_counter()
            await sweep()
            seconds = time.perf_counter() - begun
        failed = stage.value(database, FAILED)
        if failed != round(LOST * stage.scale):
            raise NotRight(f"{failed} sessions were failed")
        return {"seconds": seconds, "blocked": max(waited, default=0.0) * 1000}

    return arm


@asynccontextmanager
async def _another_writer(stage: Stage, database: str) -> AsyncIterator[list[float]]:
    """Changes rows that are being swept, and measures how long each change waits."""
    ids = [id for (id,) in stage.fetch(database, OTHERS)]
    waited: list[float] = []

    async def write() -> None:
        async with stage.pool(database, 1) as pool, pool.connection() as connection:
            for _ in range(1_000):
                for session_id in ids:
                    begun = time.perf_counter()
                    await connection.execute(TOUCH, (session_id,))
                    waited.append(time.perf_counter() - begun)
                    await asyncio.sleep(0.002)
                if not ids:
                    return

    task = asyncio.create_task(write())
    try:
        yield waited
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

"""A million heartbeats in PostgreSQL: how many were HOT updates, and how much the heap grew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from tools.bench import seed
from tools.bench.comparison import Bar, Comparison, Measured, NotRight
from tools.bench.stage import GUARDED, Stage

BEATS = 1_000_000
SESSIONS = 10_000
UPDATES = """
SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'agent_sessions'
"""
SIZE = "SELECT pg_relation_size('agent_sessions')"


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    async def arm() -> Measured:
        ids = seed.sessions(stage, GUARDED, SESSIONS, earlier=5)
        stage.forget()
        size, (updates, hot) = stage.value(GUARDED, SIZE), _updates(stage)
        rounds = max(1, round(BEATS * stage.scale / SESSIONS))
        async with stage.ours(flush_seconds=3600) as manager:
            begun = time.perf_counter()
            for _ in range(rounds):
                await asyncio.gather(*(manager.heartbeat(id) for id in ids))
                await manager.tick()
            seconds = time.perf_counter() - begun
        await asyncio.sleep(1.5)  # PostgreSQL reports its counters once a second
        now_updates, now_hot = _updates(stage)
        made = now_updates - updates
        if made != rounds * SESSIONS:
            raise NotRight(f"{made} updates for {rounds * SESSIONS} beats")
        return {
            "hot": (now_hot - hot) / made,
            "heap": stage.value(GUARDED, SIZE) / size,
            "rate": made / seconds,
        }

    yield Comparison(
        f"{round(BEATS * stage.scale):,} beats of {SESSIONS:,} sessions",
        "",
        arm,
        None,
        (
            Bar("hot", "HOT share", at_least=0.99),
            Bar("heap", "× the heap before", at_most=1.5),
            Bar("rate", "beats/s into PostgreSQL"),
        ),
        warm=False,
        pairs=1,
    )


def _updates(stage: Stage) -> tuple[int, int]:
    found: tuple[int, int] = stage.fetch(GUARDED, UPDATES)[0]
    return found

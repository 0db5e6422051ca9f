"""New sessions with 1.7 KB of context.

They count once PostgreSQL has them with their first checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from tools.bench import concurrent_calls, seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured
from tools.bench.stage import GUARDED, OLD, Stage

CLIENTS = 32
OURS = """
SELECT count(*) FROM agent_sessions s JOIN agent_session_checkpoints c ON c.session_id = s.id
JOIN agent_session_history h ON h.session_id = s.id AND h.version = s.version
WHERE s.user_id = %s AND c.name = 'session_created' AND s.context = %s::jsonb
"""
THEIRS = """
SELECT count(*) FROM agent_sessions
WHERE user_id = %s AND checkpoints->0->>'name' = 'session_created' AND context = %s::jsonb
"""


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    for database in (GUARDED, OLD):
        seed.sessions(stage, database, 0)
    stage.forget()
    async with stage.ours() as ours, stage.theirs() as theirs:
        yield Comparison(
            f"{CLIENTS} clients",
            "whole-row upsert",
            _arm(stage, GUARDED, ours, OURS),
            _arm(stage, OLD, theirs, THEIRS),
            (Bar("rate", "created/s", at_least=3),),
        )


def _arm(stage: Stage, database: str, manager: Any, count: str) -> Arm:
    runs = 0
    clients = [str(n) for n in range(CLIENTS)]
    context = seed.context()

    async def arm() -> Measured:
        nonlocal runs
        runs += 1
        user = f"run-{runs}"

        async def create(_: str) -> None:
            await manager.create_session("grader", user, context)

        begun = time.perf_counter()
        done = await concurrent_calls.until(stage.seconds, clients, create)
        await manager.tick()
        seconds = time.perf_counter() - begun
        stored = stage.value(database, count, (user, seed.as_json(context)))
        return {"rate": min(done.total, stored) / seconds}

    return arm

"""One checkpoint of 0.9 KB, stored durably: the call returns after the commit.

A checkpoint counts when PostgreSQL has it once and unchanged.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from tools.bench import concurrent_calls, seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured
from tools.bench.stage import GUARDED, OLD, SECOND, Stage

AGENTS = 32
MOST = 300  # for each agent and run; then all sessions are reset, so that "at 1" stays near 1
OURS = """
SELECT count(DISTINCT (c.session_id, c.n)) FROM agent_session_checkpoints c
WHERE c.name = %s AND c.data->>'remarks' = %s
"""
THEIRS = """
SELECT count(*) FROM agent_sessions s, jsonb_array_elements(s.checkpoints) c
WHERE c->>'name' = %s AND c->'data'->>'remarks' = %s
"""
REMEMBER = "CREATE TABLE seeded AS SELECT * FROM agent_sessions"
PUT_BACK = """
SET session_replication_role = replica;
DELETE FROM agent_session_checkpoints c USING seeded
WHERE id = session_id AND n > coalesce(checkpoint_count, jsonb_array_length(checkpoints));
UPDATE agent_sessions s SET checkpoints = b.checkpoints, checkpoint_count = b.checkpoint_count,
    checkpoints_through = b.checkpoints_through
FROM seeded b WHERE b.id = s.id;
RESET session_replication_role
"""
OLD_PUT_BACK = (
    "UPDATE agent_sessions s SET checkpoints = b.checkpoints FROM seeded b WHERE b.id = s.id"
)


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    for earlier, rate, wal in ((100, 30, 1 / 50), (1_000, 200, 1 / 500)):
        ids = seeded(stage, GUARDED, earlier)
        old_ids = seeded(stage, OLD, earlier)
        async with stage.ours() as ours, stage.theirs() as theirs:
            yield Comparison(
                f"{AGENTS} agents, {earlier:,} earlier ones",
                "whole-row upsert",
                arm(stage, GUARDED, ours, ids),
                arm(stage, OLD, theirs, old_ids),
                (
                    Bar("rate", "stored/s", at_least=rate),
                    Bar("wal", "WAL bytes each", at_most=wal),
                ),
            )
    many, one = seeded(stage, GUARDED, 1_000), seeded(stage, SECOND, 1)
    async with stage.ours() as with_many, stage.ours(SECOND) as with_one:
        yield Comparison(
            f"{AGENTS} agents, cost at 1,000 earlier ones",
            "itself at 1",
            arm(stage, GUARDED, with_many, many),
            arm(stage, SECOND, with_one, one),
            (Bar("cost", "µs each", at_most=1.1),),
        )


def seeded(stage: Stage, database: str, earlier: int, agents: int = AGENTS) -> list[str]:
    stage.prepare(database)
    stage.execute(database, "DROP TABLE IF EXISTS seeded")
    ids = seed.sessions(stage, database, agents, earlier=earlier)
    stage.execute(database, REMEMBER)
    stage.forget()
    return ids


def arm(stage: Stage, database: str, manager: Any, ids: list[str]) -> Arm:
    """Both managers store a checkpoint in the same two steps."""
    runs = 0

    async def run() -> Measured:
        nonlocal runs
        runs += 1
        stage.execute(database, OLD_PUT_BACK if database == OLD else PUT_BACK)
        stage.settle(database)
        sessions = {session_id: await manager.read(session_id) for session_id in ids}
        name, data = f"run_{runs}", seed.data(seed=runs)

        async def store(session_id: str) -> None:
            sessions[session_id].checkpoint(name, data)
            await manager.update_session(sessions[session_id])

        before = stage.value(database, "SELECT pg_current_wal_insert_lsn()")
        begun = time.perf_counter()
        done = await concurrent_calls.until(stage.seconds, ids, store, most=MOST)
        await manager.tick()
        seconds = time.perf_counter() - begun
        wal = stage.value(database, "SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", (before,))
        counted = stage.value(
            database, THEIRS if database == OLD else OURS, (name, data["remarks"])
        )
        right = min(done.total, counted)
        return {
            "rate": right / seconds,
            "cost": seconds / right * 1e6,
            "wal": float(wal) / right,
        }

    return run

"""The whole-row upsert of the agents in production, with the guard and without.

An agent's upserts count when PostgreSQL has the last of them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from tools.bench import concurrent_calls, seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured
from tools.bench.peers.whole_row import Session, WholeRowManager
from tools.bench.stage import GUARDED, UNGUARDED, Stage

AGENTS = 32


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    for what, every, bar in (("beats", 0, 0.95), ("every tenth brings a checkpoint", 10, None)):
        ids = seed.sessions(stage, GUARDED, AGENTS, earlier=20)
        bare = seed.sessions(stage, UNGUARDED, AGENTS, earlier=20)
        async with stage.theirs(GUARDED) as guarded, stage.theirs(UNGUARDED) as unguarded:
            yield Comparison(
                f"{AGENTS} agents, 20 checkpoints, {what}",
                "itself without triggers",
                _arm(stage, GUARDED, guarded, ids, every),
                _arm(stage, UNGUARDED, unguarded, bare, every),
                (Bar("rate", "upserts/s", at_least=bar),),
            )


def _arm(stage: Stage, database: str, manager: WholeRowManager, ids: list[str], every: int) -> Arm:
    async def arm() -> Measured:
        sessions: dict[str, Session] = {}
        for session_id in ids:
            session = await manager.read(session_id)
            assert session is not None
            sessions[session_id] = session
        counts = dict.fromkeys(ids, 0)

        async def upsert(session_id: str) -> None:
            session = sessions[session_id]
            counts[session_id] += 1
            if every and counts[session_id] % every == 0:
                session.checkpoints = session.checkpoints[-19:]
                session.checkpoint(f"essay_{counts[session_id]}", seed.data())
            session.last_heartbeat = datetime.now(UTC)
            await manager.upsert(session)

        begun = time.perf_counter()
        done = await concurrent_calls.until(stage.seconds, ids, upsert)
        seconds = time.perf_counter() - begun
        rows = stage.fetch(database, "SELECT id::text, last_heartbeat FROM agent_sessions")
        right = sum(done.times[id] for id, stored in rows if stored >= done.last[id])
        return {"rate": right / seconds}

    return arm

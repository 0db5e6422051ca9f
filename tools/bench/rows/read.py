"""Reading sessions with 20 checkpoints: repeatedly in one process, and for the first time in a process.

The latter with copies in Valkey and without. A read counts when it returns what PostgreSQL has.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from tools.bench import concurrent_calls, seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured
from tools.bench.stage import GUARDED, OLD, Stage

CLIENTS = 32
SESSIONS = 2_000
EARLIER = 20


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    ids = seed.sessions(stage, GUARDED, SESSIONS, earlier=EARLIER)
    old_ids = seed.sessions(stage, OLD, SESSIONS, earlier=EARLIER)
    stage.forget()
    async with stage.ours() as ours, stage.theirs() as theirs:
        yield Comparison(
            f"{CLIENTS} clients, cached",
            "a dict that is never invalidated",
            _again(stage, ours, ids[:CLIENTS]),
            _again(stage, theirs, old_ids[:CLIENTS]),
            (Bar("rate", "reads/s", at_least=1),),
        )
    for place in ("Valkey", "PostgreSQL"):
        yield Comparison(
            f"{CLIENTS} clients, first read, from {place}",
            "whole-row upsert",
            _first(stage, GUARDED, ids, place),
            _first(stage, OLD, old_ids, place),
            (Bar("rate", "reads/s", at_least=1),),
        )


def _again(stage: Stage, manager: Any, ids: list[str]) -> Arm:
    async def read(session_id: str) -> None:
        for _ in range(100):
            _require(await manager.get_session(session_id), session_id)

    async def arm() -> Measured:
        begun = time.perf_counter()
        done = await concurrent_calls.until(stage.seconds / 3, ids, read)
        return {"rate": done.total * 100 / (time.perf_counter() - begun)}

    return arm


def _first(stage: Stage, database: str, ids: list[str], place: str) -> Arm:
    async def arm() -> Measured:
        if place == "PostgreSQL":
            stage.forget()
        async with stage.theirs() if database == OLD else stage.ours() as manager:
            await manager.get_session(ids[0])

            async def read(session_id: str) -> None:
                _require(await manager.get_session(session_id), session_id)

            begun = time.perf_counter()
            await concurrent_calls.each(ids[1:], CLIENTS, read)
            await manager.tick()
            return {"rate": (len(ids) - 1) / (time.perf_counter() - begun)}

    return arm


def _require(session: Any, session_id: str) -> None:
    assert session.session_id == session_id and session.state == "active"
    assert len(session.checkpoints) == EARLIER

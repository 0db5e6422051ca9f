"""Commits changes for the feed's rows, and logs the time of each commit."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from tools.bench.stage import Stage

CHANGE = """
UPDATE agent_sessions SET context = jsonb_build_object('n', %s::int), change_source = 'agent'
WHERE id = ANY(%s) RETURNING id::text, version
"""
Committed = dict[str, dict[str, float]]


@asynccontextmanager
async def writing(
    stage: Stage, database: str, ids: list[str], pause: float
) -> AsyncIterator[Committed]:
    """Changes all sessions, one statement after the other, within the block. Times are those before COMMIT."""
    committed: Committed = defaultdict(dict)
    ended = asyncio.Event()

    async def write() -> None:
        n, due = 0, time.monotonic()
        async with await psycopg.AsyncConnection.connect(stage.url(database)) as connection:
            while not ended.is_set():
                n += 1
                found = await (await connection.execute(CHANGE, (n, ids))).fetchall()
                at = time.time()
                await connection.commit()
                for session_id, version in found:
                    committed[session_id][str(version)] = at
                due = max(due + pause, time.monotonic() - pause)
                await asyncio.sleep(max(0, due - time.monotonic()))

    task = asyncio.create_task(write())
    try:
        yield committed
    finally:
        ended.set()
        await task

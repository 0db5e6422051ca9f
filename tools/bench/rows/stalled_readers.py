"""1,000 lists of which 50 stop reading, for less than the 30 s after which they would be closed.

Measured: how long the other lists wait for a change, and the server's memory for the stalled ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from statistics import median

from tools.bench import seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured, NotRight
from tools.bench.rows.changes import BUSY, ROWS, shown
from tools.bench.stage import Stage
from tools.bench.web_processes import (
    DAPHNE,
    DATABASE,
    OURS,
    cookie,
    list_page,
    pages,
    serving,
    sockets,
    versions,
)

SHARE = 0.05
PAUSE = 0.1
WHILE = 20.0  # seconds in which memory is measured


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    visitor = cookie(stage)
    busy = seed.sessions(stage, DATABASE, ROWS)[:BUSY]
    few = max(1, round(sockets(stage) * SHARE))
    grown: dict[int, list[float]] = {few: [], 0: []}
    yield Comparison(
        f"{few} of {sockets(stage):,} lists stalled, the others' p99",
        "itself, none stalled",
        _arm(stage, visitor, busy, few, grown),
        _arm(stage, visitor, busy, 0, grown),
        (Bar("p99", "s", at_most=1.2),),
        warm=False,
    )
    yield Comparison(
        f"{few} of {sockets(stage):,} lists stalled, growth over {WHILE:.0f} s",
        "",
        _already(grown, few),
        None,
        (Bar("growth", "KiB a stalled page", at_most=256),),
        warm=False,
        pairs=1,
    )


def _already(grown: dict[int, list[float]], few: int) -> Arm:
    """KiB a stalled page: the growth with stalled pages, less that of the same server without any."""

    async def arm() -> Measured:
        return {"growth": (median(grown[few]) - median(grown[0])) / 1024 / few}

    return arm


def _arm(
    stage: Stage, visitor: str, busy: list[str], few: int, grown: dict[int, list[float]]
) -> Arm:
    async def arm() -> Measured:
        async with AsyncExitStack() as stack:
            web = stack.enter_context(serving(stage, *DAPHNE, OURS, cookie=visitor))
            hello = list_page(versions(stage))
            mine = await stack.enter_async_context(pages(web, sockets(stage), hello))
            await shown(stage, mine, busy, PAUSE)  # warm-up
            before = web.memory
            await mine.ask("stall", count=few)
            found, _ = await shown(stage, mine, busy, PAUSE, _rest_of(WHILE - stage.seconds))
            if differ := await mine.agree(versions(stage)):
                raise NotRight(f"{differ} pages differ from the database")
            grown[few].append(web.memory - before)
            return {"p99": found["p99"]}

    return arm


def _rest_of(seconds: float) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        await asyncio.sleep(max(0.0, seconds))

    return wait

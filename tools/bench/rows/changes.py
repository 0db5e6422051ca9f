"""Changes on 1,000 lists of 50 rows, of which some change again and again.

A change counts for every page that shows it or a newer one of the same session. Its age is measured
when the page receives it; of each frame the oldest counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

from tools.bench import seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured, NotRight
from tools.bench.rows.sockets import LONGER
from tools.bench.stage import Stage
from tools.bench.web_processes import (
    DAPHNE,
    DATABASE,
    OURS,
    PagesProcess,
    cookie,
    list_page,
    pages,
    serving,
    sockets,
    versions,
)
from tools.bench.writer import Committed, writing

ROWS, BUSY = 50, 5
PAUSE = 0.005
TWO_TICKS = 0.5
CHANNELS = "tools.bench.peers.group_send:application"


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    visitor = cookie(stage)
    ids = seed.sessions(stage, DATABASE, ROWS)
    async with AsyncExitStack() as stack:
        web = stack.enter_context(serving(stage, *DAPHNE, OURS, cookie=visitor))
        hello = list_page(versions(stage))
        mine = await stack.enter_async_context(pages(web, sockets(stage), hello))
        html = {"BENCH_LAYER": "redis", "BENCH_HTML": "3000"}
        peer = stack.enter_context(serving(stage, *DAPHNE, CHANNELS, cookie=visitor, **html))
        others = await stack.enter_async_context(pages(peer, sockets(stage)))
        yield Comparison(
            f"{sockets(stage):,} lists of {ROWS}, {BUSY} sessions busy",
            "group_send through daphne, channels_redis",
            _ours(stage, mine, ids[:BUSY]),
            _theirs(stage, others),
            (Bar("delivered", "changes/s to pages", at_least=300),),
        )
        yield Comparison(
            f"{sockets(stage):,} lists of {ROWS}, {BUSY} sessions busy: age at p99",
            "",
            _ours(stage, mine, ids[:BUSY]),
            None,
            (Bar("p99", "s", at_most=TWO_TICKS),),
            warm=False,
        )


def _ours(stage: Stage, mine: PagesProcess, busy: list[str]) -> Arm:
    async def arm() -> Measured:
        found, seconds = await shown(stage, mine, busy, PAUSE)
        if differ := await mine.agree(versions(stage)):
            raise NotRight(f"{differ} pages differ from the database")
        return {"delivered": found["delivered"] / seconds, "p99": found["p99"]}

    return arm


async def shown(
    stage: Stage,
    mine: PagesProcess,
    busy: list[str],
    pause: float,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> tuple[dict[str, float], float]:
    """The number and age of the changes that the pages received, and the seconds that it took."""
    committed: Committed
    async with writing(stage, DATABASE, busy, pause) as committed:
        await asyncio.sleep(1)
        await mine.ask("watch")
        await asyncio.sleep(stage.seconds)
        if meanwhile:
            await meanwhile()
        found = await mine.ask("seen", committed=committed)
    return found, stage.seconds


def _theirs(stage: Stage, others: PagesProcess) -> Arm:
    async def arm() -> Measured:
        await others.ask("say", text="go")
        found = await others.ask("count", seconds=LONGER * stage.seconds)
        await others.ask("say", text="halt")
        await others.rest()
        return {"delivered": found["frames"] / found["seconds"], "p99": 0}

    return arm

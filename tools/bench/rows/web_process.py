"""The web process's share of a core with 10,000 sessions that beat every 10 s and 50 open lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tools.bench import seed
from tools.bench.browser_list import Load
from tools.bench.comparison import Bar, Comparison, Measured, NotRight
from tools.bench.stage import Stage
from tools.bench.web_processes import DAPHNE, DATABASE, OURS, cookie, role, serving

SESSIONS, EVERY, OPEN, ROWS = 10_000, 10.0, 50, 50
WARM_UP, SECONDS = 12.0, 30.0


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    visitor = cookie(stage)
    sessions = max(ROWS, round(SESSIONS * stage.scale))
    seed.sessions(stage, DATABASE, sessions)

    async def arm() -> Measured:
        with (
            serving(stage, *DAPHNE, OURS, cookie=visitor) as web,
            role(stage, "beat", str(EVERY)) as sent,
            role(stage, "watch", str(OPEN), web.address, web.cookie) as shown,
        ):
            await asyncio.sleep(WARM_UP)
            load, before = Load(web.pid), (sent.count, shown.count)
            await asyncio.sleep(SECONDS)
            share = load.since()
            beats, seen = sent.count - before[0], shown.count - before[1]
        if beats < 0.75 * sessions * SECONDS / EVERY or seen < 0.75 * OPEN * ROWS * SECONDS / EVERY:
            raise NotRight(f"{beats:.0f} beats were sent, {seen:.0f} came onto screens")
        return {"share": share}

    yield Comparison(
        f"{sessions:,} sessions beat every {EVERY:.0f} s, {OPEN} lists open",
        "",
        arm,
        None,
        (Bar("share", "of a core", at_most=0.3),),
        warm=False,
    )

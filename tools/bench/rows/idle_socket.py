"""Server memory per open, idle page: 1,000 more pages in a server that has served some already.

Ours have sent what they show and receive a keepalive every five seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tools.bench import seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured
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

CHANNELS = "tools.bench.peers.group_send:application"
REST = 6.0


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    visitor = cookie(stage)
    seed.sessions(stage, DATABASE, 50)
    hello = list_page(versions(stage))
    for name, layer in (("channels_redis", "redis"), ("in-memory layer", "memory")):
        yield Comparison(
            f"{sockets(stage):,} lists of 50 rows, idle",
            f"consumers in a group on daphne, {name}",
            _arm(stage, visitor, OURS, hello),
            _arm(stage, visitor, CHANNELS, "", BENCH_LAYER=layer),
            (Bar("memory", "KiB each", at_most=0.7),),
            warm=False,
        )


def _arm(stage: Stage, visitor: str, application: str, hello: str, **env: str) -> Arm:
    async def arm() -> Measured:
        with serving(stage, *DAPHNE, application, cookie=visitor, **env) as web:
            async with pages(web, sockets(stage) // 5, hello):
                await asyncio.sleep(REST)
            async with pages(web, 5, hello):
                before = web.memory
                async with pages(web, sockets(stage), hello):
                    await asyncio.sleep(REST)
                    return {"memory": (web.memory - before) / 1024 / sockets(stage)}

    return arm

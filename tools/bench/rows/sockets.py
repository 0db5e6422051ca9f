"""Frames of 200 bytes to 1,000 pages of one session, counted in the process of the pages.

At the end each of our pages must show what the database has. Ours is driven by commits, and its hub
does not pause between ticks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack
from math import inf

from tools.bench import seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured, NotRight
from tools.bench.stage import Stage
from tools.bench.web_processes import (
    DAPHNE,
    DATABASE,
    UVICORN,
    WITHOUT_PAUSE,
    PagesProcess,
    Web,
    cookie,
    pages,
    serving,
    session_page,
    sockets,
    versions,
)
from tools.bench.writer import writing

# Seconds between two commits: one always waits when all pages are served. More would cost only ours.
COMMITS = 0.01
LONGER = 3  # times as long as other arms: the slowest peer delivers one or two messages a second to all pages
CHANNELS = "tools.bench.peers.group_send:application"


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    visitor = cookie(stage)
    session_id = seed.sessions(stage, DATABASE, 1)[0]
    for ours, theirs, bar in (
        ("daphne", "redis", 6), ("daphne", "pubsub", None), ("daphne", "memory", None),
        ("uvicorn", "redis", 20), ("uvicorn", "websockets.broadcast", 0.8),
    ):  # fmt: skip
        async with AsyncExitStack() as stack:
            command = (*(DAPHNE if ours == "daphne" else UVICORN), WITHOUT_PAUSE)
            web = stack.enter_context(serving(stage, *command, cookie=visitor))
            mine = await stack.enter_async_context(
                pages(web, sockets(stage), session_page(session_id))
            )
            peer = stack.enter_context(_peer(stage, theirs, visitor))
            others = await stack.enter_async_context(pages(peer, sockets(stage)))
            yield Comparison(
                f"{sockets(stage):,} sockets through {ours}",
                theirs if theirs not in LAYER else f"group_send through daphne, {LAYER[theirs]}",
                _ours(stage, web, mine, session_id),
                _theirs(stage, peer, others),
                (Bar("rate", "frames/s", at_least=bar), Bar("cost", "µs of the server a frame")),
                pairs=None if bar else 1,
            )


LAYER = {
    "redis": "channels_redis",
    "pubsub": "channels_redis.pubsub",
    "memory": "in-memory layer",
}


def _peer(stage: Stage, name: str, visitor: str) -> AbstractContextManager[Web]:
    if name in LAYER:
        return serving(stage, *DAPHNE, CHANNELS, cookie=visitor, BENCH_LAYER=name)
    return serving(stage, "tools.bench.peers.websockets_broadcast", "{port}")


def _ours(stage: Stage, web: Web, mine: PagesProcess, session_id: str) -> Arm:
    async def arm() -> Measured:
        async with writing(stage, DATABASE, [session_id], COMMITS):
            figures = await _counted(stage, web, mine)
        if differ := await mine.agree(versions(stage)):
            raise NotRight(f"{differ} pages differ from the database")
        return figures

    return arm


def _theirs(stage: Stage, peer: Web, others: PagesProcess) -> Arm:
    async def arm() -> Measured:
        await others.ask("say", text="go")
        figures = await _counted(stage, peer, others)
        await others.ask("say", text="halt")
        await others.rest()
        return figures

    return arm


async def _counted(stage: Stage, web: Web, opened: PagesProcess) -> Measured:
    """Also counts the cost of a frame, which depends less on other load than the number of frames."""
    before = web.busy
    found = await opened.ask("count", seconds=LONGER * stage.seconds)
    frames = found["frames"]
    cost = (web.busy - before) * 1e6 / frames if frames else inf
    return {"rate": frames / found["seconds"], "cost": cost}

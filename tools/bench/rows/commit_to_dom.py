"""From COMMIT to the patched row in Chromium, while 1,000 agents beat and 1,000 other sockets are open.

The sockets are spread over the twenty pages of the list, or all show what Chromium shows. The floor
has the same commits, heartbeats and sockets, and only forwards notifications to the pages that show
them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from playwright.async_api import Page, async_playwright

from tools.bench import seed
from tools.bench.comparison import Arm, Bar, Comparison, Measured, NotRight
from tools.bench.stage import Stage
from tools.bench.web_processes import (
    DAPHNE,
    DATABASE,
    OURS,
    UVICORN,
    Web,
    cookie,
    list_page,
    list_pages,
    pages,
    role,
    serving,
    sockets,
    versions,
)
from tools.bench.websocket_pages import quantile
from tools.bench.writer import Committed, writing

ROWS = 50
EVERY = 5.0  # seconds between two heartbeats of an agent
BETWEEN = 0.7  # seconds between two changes
SECONDS, LAST_ONES = 20.0, 5.0
TWO_TICKS = 500.0
WATCH = """() => {
  const seen = (window.seen = []);
  const attributeFilter = ["data-version", "data-heartbeat"];
  new MutationObserver((records) => {
    const now = performance.timeOrigin + performance.now();
    for (const { target, attributeName, oldValue } of records) {
      const value = Number(target.getAttribute(attributeName));
      if (value > Number(oldValue)) seen.push([now, target.dataset.id, attributeName, value]);
    }
  }).observe(document.getElementById("rows"), { subtree: true, attributeFilter, attributeOldValue: true });
}"""
SHOWN = "[...document.querySelectorAll('#rows > .row')].map((row) => row.dataset.id)"
Seen = list[tuple[float, str, str, float]]


async def row(stage: Stage) -> AsyncIterator[Comparison]:
    visitor = cookie(stage)
    seed.sessions(stage, DATABASE, sockets(stage))
    for server, where, size, bar in (
        (DAPHNE, "over the pages of the list", ROWS, 3),
        (UVICORN, "over the pages of the list, through uvicorn", ROWS, 3),
        (DAPHNE, "on the same 50 rows", 0, None),
    ):
        beats: list[float] = []
        what = f"{sockets(stage):,} agents beating, {sockets(stage):,} other sockets {where}"
        yield Comparison(
            f"a change, p50, {what}",
            "LISTEN → websockets → page",
            partial(_ours, stage, server, visitor, beats, size),
            partial(_floor, stage, size),
            (Bar("p50", "ms", at_most=bar), Bar("p99", "ms")),
            warm=False,
            pairs=None if bar else 1,
        )
        yield Comparison(
            f"a beat, p99, {what}",
            "",
            _already(beats),
            None,
            (Bar("p99", "ms", at_most=TWO_TICKS),),
            warm=False,
            pairs=1,
        )


async def _ours(
    stage: Stage, server: Sequence[str], visitor: str, beats: list[float], size: int
) -> Measured:
    async with AsyncExitStack() as stack:
        web = stack.enter_context(serving(stage, *server, OURS, cookie=visitor))
        stack.enter_context(role(stage, "beat", str(EVERY)))
        page = await stack.enter_async_context(_chromium(web))
        await page.wait_for_selector("#connection[data-status=live]", timeout=60_000)
        shown = await page.evaluate(SHOWN)
        await stack.enter_async_context(pages(web, sockets(stage), *_hellos(stage, shown, size)))
        seen, committed = await _watched(stage, page, shown[:1])
    beats.extend(_ages_of_beats(seen))
    return _figures(seen, committed)


async def _floor(stage: Stage, size: int) -> Measured:
    async with AsyncExitStack() as stack:
        web = stack.enter_context(serving(stage, "tools.bench.peers.bare_listen", "{port}"))
        stack.enter_context(role(stage, "beat", str(EVERY)))
        shown = list(versions(stage))[:ROWS]
        page = await stack.enter_async_context(_chromium(web, f"/?{shown[0]}"))
        await page.wait_for_selector("[data-status=live]", state="attached", timeout=60_000)
        await stack.enter_async_context(pages(web, sockets(stage), *_hellos(stage, shown, size)))
        seen, committed = await _watched(stage, page, shown[:1])
    return _figures(seen, committed)


def _hellos(stage: Stage, shown: list[str], size: int) -> list[str]:
    """What Chromium shows comes first, then the other pages."""
    known = versions(stage)
    first = {session_id: known[session_id] for session_id in shown}
    return list_pages(first | known, size) if size else [list_page(first)]


@asynccontextmanager
async def _chromium(web: Web, path: str = "/") -> AsyncIterator[Page]:
    from tests.support.chromium import chromium

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**chromium())
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        if web.cookie:
            name, _, value = web.cookie.partition("=")
            await page.context.add_cookies([{"name": name, "value": value, "url": web.address}])
        answer = await page.goto(web.address + path)
        if answer is None or not answer.ok:
            raise NotRight(f"the page says {answer and answer.status}")
        yield page
        await browser.close()


async def _watched(stage: Stage, page: Page, changing: list[str]) -> tuple[Seen, Committed]:
    await asyncio.sleep(3)
    await page.evaluate(WATCH)
    seconds = max(3.0, SECONDS * min(1.0, stage.seconds / 3))
    async with writing(stage, DATABASE, changing, BETWEEN) as committed:
        await asyncio.sleep(seconds)
    await asyncio.sleep(LAST_ONES)
    return await page.evaluate("window.seen"), committed


def _figures(seen: Seen, committed: Committed) -> Measured:
    """A change counts as shown when the row has its version or a newer one."""
    ages = []
    for session_id, times in committed.items():
        patched = [
            (n, at) for at, id, name, n in seen if name == "data-version" and id == session_id
        ]
        for version, committed_at in times.items():
            shown = min((at for n, at in patched if n >= int(version)), default=None)
            if shown is None:
                raise NotRight(f"version {version} never came onto the screen")
            ages.append(shown - committed_at * 1000)
    ages.sort()
    return {"p50": quantile(ages, 0.5), "p99": quantile(ages, 0.99)}


def _ages_of_beats(seen: Seen) -> list[float]:
    """Skips heartbeats of rows rendered for a change: they may be much older."""
    drawn = {(at, id) for at, id, name, _ in seen if name == "data-version"}
    return [
        at - n for at, id, name, n in seen if name == "data-heartbeat" and (at, id) not in drawn
    ]


def _already(ages: list[float]) -> Arm:
    async def arm() -> Measured:
        if not ages:
            raise NotRight("no beat came onto the screen")
        return {"p99": quantile(sorted(ages), 0.99)}

    return arm

"""`python -m tools.bench.browser_list`: what the open list costs a browser and the web process while all sessions beat.

Starts servers, dashboard and Chromium of its own, seeds live sessions and beats them through the library
from one process; measures with Chromium's own trace. `--long 600` watches the memory afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from playwright.sync_api import CDPSession, Page, sync_playwright

from agent_sessions import SessionManager
from dashboard.embedded import Servers, postgres, running, valkey
from tools.bench.browser_trace import CATEGORIES, MainThread, main_thread

if TYPE_CHECKING:
    from tests.support.dashboard import LiveDashboard

DATA_DIR = Path(os.environ.get("BENCH_DATA_DIR", ".data/bench-browser")).resolve()
TOGETHER = 200
WARM_UP = 12.0  # seconds; by then every session has sent a heartbeat and the page is idle
SAMPLE = 30.0


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.browser_list", description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two beats")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the trace")
    parser.add_argument("--long", type=float, default=0.0, help="seconds of watching the memory")
    parser.add_argument("--pages", type=int, default=1, help="lists that are open, this one too")
    return parser.parse_args(argv)


@contextmanager
def servers() -> Iterator[None]:
    """Runs the servers; modules that are imported later find them in the environment."""
    os.environ.update(DATA_DIR=str(DATA_DIR), DJANGO_SETTINGS_MODULE="dashboard.settings")
    with running(Servers(DATA_DIR)):
        os.environ["DATABASE_URL"] = postgres.url(DATA_DIR)
        os.environ["VALKEY_URL"] = valkey.url(DATA_DIR)
        yield


def prepare() -> Any:
    """Migrates, empties the tables and creates the user of the pages."""
    import django
    import psycopg
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "TRUNCATE agent_sessions, agent_session_checkpoints, agent_session_contexts,"
            " agent_session_history, agent_session_counts"
        )
    user, _ = User.objects.get_or_create(
        username="bench", defaults={"is_staff": True, "is_superuser": True}
    )
    return user


async def seed(count: int) -> None:
    manager = await SessionManager.connect(os.environ["DATABASE_URL"], os.environ["VALKEY_URL"])
    async with manager:
        for start in range(0, count, TOGETHER):
            await asyncio.gather(
                *(
                    manager.create_session(
                        ("grader", "tutor")[n % 2], f"teacher-{n % 50}", {"n": n}
                    )
                    for n in range(start, min(count, start + TOGETHER))
                )
            )


@contextmanager
def role(*words: str) -> Iterator[None]:
    """Runs a role in another process within the block; prints at the end how much it did a second."""
    command = [sys.executable, "-m", "tools.bench.browser_list_load", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            first = process.stdout.readline() if process.stdout else ""
            if not first:
                raise RuntimeError(f"{words[0]} ended before it began")
            yield
        finally:
            process.terminate()
            lines = [first, *(process.communicate()[0] or "").splitlines()]
    (begun, _), (ended, count) = (map(float, line.split()) for line in (lines[0], lines[-1]))
    print(f"{words[0]:<11} {count / max(ended - begun, 1):.0f} heartbeats a second")


class Load:
    """The share of a core that a process used since the last call."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._used, self._at = 0.0, time.monotonic() - 1
        self.since()

    def since(self) -> float:
        times, now = self._process.cpu_times(), time.monotonic()
        used, self._used = self._used, float(times.user + times.system)
        at, self._at = self._at, now
        return (self._used - used) / (now - at)


def heap(page: CDPSession) -> dict[str, float]:
    """The page's metrics after a garbage collection."""
    page.send("HeapProfiler.collectGarbage")
    metrics = page.send("Performance.getMetrics")["metrics"]
    return {one["name"]: one["value"] for one in metrics}


def said(metrics: dict[str, float]) -> str:
    mib = metrics["JSHeapUsedSize"] / 2**20
    return (
        f"{mib:.2f} MiB, {metrics['Nodes']:.0f} nodes, {metrics['JSEventListeners']:.0f} listeners"
    )


def trace(page: Page, cdp: CDPSession, load: Load, seconds: float) -> None:
    before = heap(cdp)
    browser = page.context.browser
    assert browser is not None
    load.since()
    browser.start_tracing(page=page, categories=CATEGORIES)
    page.wait_for_timeout(seconds * 1000)
    web = load.since()
    found = main_thread(browser.stop_tracing(), seconds)
    tell(found, web)
    print(f"memory      {said(before)} -> {said(heap(cdp))}")


def tell(found: MainThread, web: float) -> None:
    print(f"scripting   {found.scripting:.2%} of the main thread ({found.scripting_cpu:.2%} CPU)")
    print(f"longest     {found.longest_ms:.1f} ms ({found.longest_cpu_ms:.1f} ms CPU at most)")
    print(f"            in it {found.longest_holds or 'nothing'} (CPU)")
    print(f"over 50 ms  {found.long_tasks} tasks ({found.long_cpu_tasks} by CPU)")
    print(f"web process {web:.1%} of a core; machine's load {os.getloadavg()[0]:.1f}", flush=True)


def oldest_beat(page: Page) -> float:
    """The age in seconds of the oldest heartbeat on the page, which shows that the measured ones arrive."""
    oldest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('#rows > .row')].map((r) => r.dataset.heartbeat))"
    )
    return time.time() - float(oldest) / 1000


def watch_memory(page: Page, cdp: CDPSession, load: Load, seconds: float) -> None:
    end = time.monotonic() + seconds
    load.since()
    while time.monotonic() < end:
        page.wait_for_timeout(min(SAMPLE, max(1.0, end - time.monotonic())) * 1000)
        print(f"  {seconds - (end - time.monotonic()):4.0f} s  {said(heap(cdp))}", flush=True)
    print(f"web process {load.since():.1%} of a core over {seconds:.0f} s")


def measure(options: argparse.Namespace, live: LiveDashboard, cookie: dict[str, Any]) -> None:
    from tests.support.chromium import chromium

    with ExitStack() as stack:
        stack.enter_context(role("beat", str(options.every)))
        if options.pages > 1:
            words = (str(options.pages - 1), live.url, f"{cookie['name']}={cookie['value']}")
            stack.enter_context(role("watch", *words))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(**chromium())
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.context.add_cookies([cookie])  # type: ignore[list-item]
        page.goto(live.url)
        page.wait_for_selector("#connection[data-status=live]", timeout=60_000)
        page.wait_for_timeout(WARM_UP * 1000)
        cdp = page.context.new_cdp_session(page)
        cdp.send("Performance.enable")
        load = Load(live.child.process.pid)
        trace(page, cdp, load, options.seconds)
        if options.long:
            watch_memory(page, cdp, load, options.long)
        print(f"rows        oldest heartbeat shown is {oldest_beat(page):.1f} s old")
        print(f"connection  {page.locator('#connection').get_attribute('data-status')}")
        browser.close()


def main(argv: list[str]) -> None:
    options = arguments(argv)
    with servers():
        user = prepare()
        from tests.support.dashboard import LiveDashboard, session_cookie

        asyncio.run(seed(options.sessions))
        print(f"{options.sessions:,} sessions beat every {options.every:g} s, {options.pages} open")
        live = LiveDashboard.start(DATA_DIR / "daphne.log", {"LANG": "C.UTF-8"})
        try:
            measure(options, live, session_cookie(live.url, user))
        finally:
            live.stop()


if __name__ == "__main__":
    main(sys.argv[1:])

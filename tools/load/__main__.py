"""`make load AGENTS=200 PAGES=200 SECONDS=30`: real agents and pages with live figures; ends by itself.

With URL= it loads a running dashboard; the agents then need its DATABASE_URL and VALKEY_URL.
LOAD_USER (admin) and LOAD_PASSWORD log the pages in.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tools.load.figures import SHARES, Board, Latencies
from tools.load.target import LoadTarget, place

AGENTS_A_PROCESS, PAGES_A_PROCESS = 500, 250
REFRESH = 0.5


@dataclass(frozen=True)
class LoadOptions:
    agents: int
    pages: int
    seconds: float

    @classmethod
    def read(cls) -> LoadOptions:
        value = os.environ.get
        try:
            found = cls(
                int(value("AGENTS") or 100),
                int(value("PAGES") or 100),
                float(value("SECONDS") or 30),
            )
        except ValueError as error:
            raise SystemExit(f"error: AGENTS, PAGES and SECONDS are numbers: {error}") from None
        if min(found.agents, found.pages, found.seconds) <= 0:
            raise SystemExit("error: AGENTS, PAGES and SECONDS must be more than nothing")
        return found


ChildProcess = asyncio.subprocess.Process


async def started(place: LoadTarget, *words: str) -> ChildProcess:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=place.environment,
        limit=2**24,
    )


def output(child: ChildProcess) -> asyncio.StreamReader:
    if child.stdout is None:
        raise RuntimeError("started without a pipe")
    return child.stdout


async def listen(child: ChildProcess, board: Board) -> None:
    async for line in output(child):
        board.hear(json.loads(line)["new"])


def shares(number: int, most: int) -> list[int]:
    """Distributes `number` evenly over processes of at most `most` each."""
    processes = -(-number // most)
    return [number // processes + (n < number % processes) for n in range(processes)]


async def load(place: LoadTarget, options: LoadOptions, console: Console) -> Board:
    cookie = await asyncio.to_thread(place.log_in)
    children: list[ChildProcess] = []
    ids: list[str] = []
    try:
        for count in shares(options.agents, AGENTS_A_PROCESS):
            child = await started(place, "tools.load.agents", str(count), str(options.seconds))
            children.append(child)
            ids += json.loads(await output(child).readline())["ids"]
        agents = list(children)
        for count in shares(options.pages, PAGES_A_PROCESS):
            child = await started(place, "tools.load.load_pages", place.url, cookie, str(count))
            children.append(child)
            if child.stdin:
                child.stdin.write(json.dumps(ids).encode() + b"\n")
        return await watched(children, agents, options, console)
    finally:
        for child in children:
            with suppress(ProcessLookupError):
                child.terminate()
        await asyncio.gather(*(child.wait() for child in children))


async def watched(
    children: list[ChildProcess], agents: list[ChildProcess], options: LoadOptions, console: Console
) -> Board:
    board = Board()
    hearing = [asyncio.create_task(listen(child, board)) for child in children]
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while any(child.returncode is None for child in agents):
            await asyncio.sleep(REFRESH)
            live.update(table(options, board, live=True), refresh=True)
    if failed := [child.returncode for child in agents if child.returncode]:
        raise SystemExit(f"error: agents ended with {failed[0]}")
    await asyncio.sleep(1.5)  # for frames in transit and the last figures of the pages
    for task in hearing:
        task.cancel()
    return board


def table(options: LoadOptions, board: Board, *, live: bool) -> Table:
    title = f"{options.agents} agents, {options.pages} pages, {board.seconds:.0f} s"
    shown = Table(
        "", "number", "a second", *(f"p{share:.0%}"[:-1] for share in SHARES), title=title
    )
    for what in sorted(board.total):
        total = board.total[what]
        rate, found = board.recent(what) if live else (total.total() / board.seconds, total)
        shown.add_row(what, f"{total.total():,}", f"{rate:,.1f}", *times(found))
    return shown


def times(found: Latencies) -> list[str]:
    return ["–" if (ms := found.quantile(share)) is None else f"{ms:,} ms" for share in SHARES]


def main() -> int:
    options, console = LoadOptions.read(), Console()
    with place(os.environ.get("URL", "")) as there:
        console.print(f"{there.url}: {options.agents} agents and {options.pages} pages")
        board = asyncio.run(load(there, options, console))
    console.print(table(options, board, live=False))
    lost = sum(board.total[name].total() for name in board.total if name.startswith("page "))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())

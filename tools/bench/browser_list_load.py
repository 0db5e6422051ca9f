"""Load for `tools.bench.browser_list`, in processes of its own: heartbeats, and other open pages.

python -m tools.bench.browser_list_load beat SECONDS_BETWEEN_BEATS
python -m tools.bench.browser_list_load watch PAGES URL COOKIE
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from contextlib import suppress

import psycopg

from agent_sessions import SessionManager
from agent_sessions.keys import NAMESPACE
from tests.support.page import Credit, hello, open_socket

ROWS = 50
STEPS = 20  # a second


def ids() -> list[str]:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        rows = connection.execute("SELECT id FROM agent_sessions WHERE state = 'active'")
        return [str(row[0]) for row in rows]


async def connect() -> SessionManager:
    namespace = os.environ.get("SESSION_NAMESPACE", NAMESPACE)
    return await SessionManager.connect(
        os.environ["DATABASE_URL"], os.environ["VALKEY_URL"], namespace=namespace
    )


class PrintedCount:
    """Prints the count so far once a second."""

    def __init__(self) -> None:
        self.count, self._at = 0, 0.0

    def add(self, n: int) -> None:
        self.count += n
        if time.monotonic() - self._at >= 1:
            self._at = time.monotonic()
            print(f"{self._at:.3f} {self.count}", flush=True)


async def beat(pause: float) -> None:
    """One heartbeat of every session each `pause` seconds, spread evenly."""
    every = ids()
    random.shuffle(every)
    share = max(1, round(len(every) / pause / STEPS))
    async with await connect() as manager:
        said, at, due = PrintedCount(), 0, time.monotonic()
        while True:
            batch = [every[(at + n) % len(every)] for n in range(share)]
            await asyncio.gather(*(manager.heartbeat(session_id) for session_id in batch))
            said.add(share)
            at, due = at + share, due + 1 / STEPS
            await asyncio.sleep(max(0, due - time.monotonic()))


async def watch(pages: int, url: str, cookie: str) -> None:
    """Opens list pages with different rows, each of which acknowledges as a browser does."""
    every, said = ids(), PrintedCount()
    async with asyncio.TaskGroup() as group:
        for n in range(pages):
            shown = [every[(n * ROWS + i) % len(every)] for i in range(min(ROWS, len(every)))]
            group.create_task(one_page(url, cookie, shown, said))


async def one_page(url: str, cookie: str, shown: list[str], said: PrintedCount) -> None:
    credit = Credit()
    async with open_socket(url, cookie) as socket:
        await socket.send(json.dumps(hello(1, dict.fromkeys(shown, 1))))
        async for text in socket:
            frame = json.loads(text)
            said.add(len(frame.get("beats", ())))
            if credit.is_due(frame["n"], len(text)):
                await socket.send(json.dumps({"type": "ack", "n": frame["n"]}))


def main(role: str, *rest: str) -> None:
    with suppress(KeyboardInterrupt):
        if role == "beat":
            asyncio.run(beat(float(rest[0])))
        else:
            asyncio.run(watch(int(rest[0]), rest[1], rest[2]))


if __name__ == "__main__":
    main(*sys.argv[1:])

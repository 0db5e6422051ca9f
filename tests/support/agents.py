"""Agents in processes of their own, whose parts reach their safe points when the test says so."""

from __future__ import annotations

import sys
from subprocess import PIPE, Popen

from django.conf import settings

# The n-th input line lets the n-th part continue.
PROGRAM = """
import asyncio, sys
from agent_sessions import SessionManager

async def part(run, works, go_on):
    async with run.step("part"):
        works.set()
        await go_on.wait()
    while True:
        await asyncio.sleep(0.05)
        await run.safe_point()

async def main(database, valkey, session_id, parts):
    async with await SessionManager.connect(database, valkey) as manager:
        async with manager.attach(session_id, complete=False) as run, asyncio.TaskGroup() as group:
            lines = [asyncio.Event() for _ in range(int(parts))]
            begun = [asyncio.Event() for _ in lines]
            for works, go_on in zip(begun, lines):
                group.create_task(part(run, works, go_on))
            for works in begun:
                await works.wait()
            print("at work", flush=True)
            for line in lines:
                await asyncio.to_thread(sys.stdin.readline)
                line.set()
                print("goes on", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


class Agent:
    """Starts at once. Ended by `stop`, or killed like a crashing process."""

    def __init__(self, session_id: str, parts: int = 1) -> None:
        urls = (settings.DATABASE_URL, settings.VALKEY_URL)
        self.process = Popen(
            [sys.executable, "-c", PROGRAM, *urls, session_id, str(parts)],
            stdin=PIPE, stdout=PIPE, text=True, cwd=settings.BASE_DIR,
        )  # fmt: skip
        self._expect("at work")

    def let_a_part_go_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("on\n")
        self.process.stdin.flush()
        self._expect("goes on")

    def _expect(self, word: str) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline().strip() == word

    def die(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()
        self.die()

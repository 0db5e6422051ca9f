"""An agent that does nothing but write, and keeps a ledger of what it was told: `python -m tools.chaos.agent SESSION LEDGER`.

Killed and started again it goes on after what is stored. It follows docs/agents.md: on StorageUnavailable
the same call with the same values, until it succeeds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from agent_sessions import (
    OrderReceived,
    Restored,
    Run,
    SessionManager,
    SessionOwned,
    StorageUnavailable,
)

PACE = 0.04
PATIENCE = 0.2
STEP = "step"


class Ledger:
    """One line for each attempt, answer and error; a line that was begun when we were killed is no line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def note(self, what: str, **facts: Any) -> None:
        self._file.write(json.dumps({"at": time.time(), "what": what, **facts}) + "\n")


class Writer:
    def __init__(self, session_id: str, ledger: Ledger) -> None:
        self.session_id = session_id
        self.ledger = ledger

    async def work(self) -> None:
        manager = await self.patiently("connect", connected)
        async with manager:
            while True:
                try:
                    await self._attached(manager)
                except (StorageUnavailable, SessionOwned) as error:
                    self.ledger.note("raised", call="attach", error=short(error))
                    await asyncio.sleep(PATIENCE)
                except Restored:
                    continue  # a fail-over: attach anew to go on from what the database holds
                except OrderReceived as order:
                    self.ledger.note("ordered", order=type(order).__name__)
                    return

    async def _attached(self, manager: SessionManager) -> None:
        async with manager.attach(self.session_id, interval=1.0, complete=False) as run:
            n = newest(run)
            while True:
                n += 1
                await self._write(run, n)
                await asyncio.sleep(PACE)

    async def _write(self, run: Run, n: int) -> None:
        """Every third write changes the context only."""
        kind = "save" if n % 3 == 0 else STEP
        if kind == "save":
            run.context.setdefault("saves", {})[str(n)] = True
        self.ledger.note("try", n=n, kind=kind)

        async def write() -> None:
            await (run.save() if kind == "save" else run.checkpoint(STEP, {"n": n}))

        await self.patiently(kind, write)
        self.ledger.note("stored", n=n, kind=kind)

    async def patiently(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            try:
                return await call()
            except StorageUnavailable as error:
                self.ledger.note("raised", call=name, error=short(error))
                await asyncio.sleep(PATIENCE)


async def connected() -> SessionManager:
    return await SessionManager.connect(os.environ["DATABASE_URL"], os.environ["VALKEY_URL"])


def newest(run: Run) -> int:
    last = run.last_checkpoint(STEP)
    saves = [int(n) for n in run.context.get("saves", {})]
    return max([last.data["n"] if last else 0, *saves])


def short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


async def main(session_id: str, ledger: Path) -> None:
    work = asyncio.create_task(Writer(session_id, Ledger(ledger)).work())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        pass


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))

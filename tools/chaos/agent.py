"""`python -m tools.chaos.agent SESSION LEDGER KIND`: an agent that writes, and logs what was acknowledged.

After a restart it continues from what is stored. It follows docs/agents.md: on StorageUnavailable
it repeats the same call with the same values until that succeeds.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from agent_sessions import (
    OrderReceived,
    Restored,
    RolledBack,
    Run,
    SessionManager,
    SessionOwned,
    StorageUnavailable,
)
from tools.chaos.ledger import STEP, Ledger

PACE = 0.04
PATIENCE = 0.2


class ChaosWriter:
    options: dict[str, Any] = {}

    def __init__(self, session_id: str, ledger: Ledger) -> None:
        self.session_id = session_id
        self.ledger = ledger
        self.n = 0

    async def work(self) -> None:
        manager = await self.patiently("connect", connected)
        async with manager:
            while await self._attached(manager):
                pass

    async def _attached(self, manager: SessionManager) -> bool:
        """Works within one attach; returns whether to attach again."""
        try:
            async with manager.attach(
                self.session_id, interval=1.0, complete=False, **self.options
            ) as run:
                self.n = max(self.n, newest(run))
                self.ledger.note("attached", epoch=run.session.epoch)
                await self.go(run)
        except (StorageUnavailable, SessionOwned) as error:
            self.ledger.note("raised", call="attach", error=short(error))
            await asyncio.sleep(PATIENCE)
        except RolledBack as order:
            self.ledger.note("ordered", order=type(order).__name__)
            if isinstance(order, Restored):
                self.n = 0  # continues from what the database holds now
        except OrderReceived as order:
            self.ledger.note("ordered", order=type(order).__name__)
            return False
        return True

    async def go(self, run: Run) -> None:
        while True:
            await self.step(run)
            await asyncio.sleep(PACE)

    async def step(self, run: Run) -> None:
        """Writes once; every third write changes the context only."""
        self.n += 1
        n, kind = self.n, "save" if self.n % 3 == 0 else STEP
        if kind == "save":
            run.context.setdefault("saves", {})[str(n)] = True
        self.ledger.note("try", n=n, kind=kind)
        await self.patiently(kind, lambda: self.store(run, n, kind))
        self.ledger.note("stored", n=n, kind=kind)

    async def store(self, run: Run, n: int, kind: str) -> None:
        await (run.save() if kind == "save" else run.checkpoint(STEP, {"n": n}))

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


def short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


async def main(session_id: str, ledger: Path, kind: str) -> None:
    from tools.chaos.kinds import KINDS  # imported here because kinds.py imports this module

    writer = KINDS[kind](session_id, Ledger(ledger))
    work = asyncio.create_task(writer.work())
    if not writer.options.get("stop_on_sigterm"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        pass


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))

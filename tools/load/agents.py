"""`python -m tools.load.agents AGENTS SECONDS`: agents in one process, a session each."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from contextlib import suppress

from agent_sessions import OrderReceived, SessionManager
from agent_sessions.keys import NAMESPACE
from tools.load.figures import PrintedFigures

STEP = 2.0  # seconds of work between two checkpoints, on average
BEAT = 2.0
REMARKS = "Sauber gerechnet; bei der dritten Aufgabe fehlt die Einheit. " * 12


async def agent(
    manager: SessionManager, session_id: str, until: float, said: PrintedFigures
) -> None:
    """Works on one session; an administrator may pause or end it."""
    with suppress(OrderReceived):
        async with manager.attach(session_id, interval=BEAT) as run:
            step = 0
            while (left := until - time.monotonic()) > 0:
                await asyncio.sleep(min(left, STEP * random.uniform(0.5, 1.5)))  # noqa: S311
                step += 1
                run.context["step"] = step
                begun = time.perf_counter()
                await run.checkpoint("step_done", {"step": step, "remarks": REMARKS})
                said.note("checkpoint stored", time.perf_counter() - begun)


async def main(agents: int, seconds: float) -> None:
    said = PrintedFigures()
    async with await SessionManager.connect(
        os.environ["DATABASE_URL"],
        os.environ["VALKEY_URL"],
        namespace=os.environ.get("SESSION_NAMESPACE", NAMESPACE),
    ) as manager:
        made = [manager.create_session("load", f"load-{n % 20}") for n in range(agents)]
        sessions = await asyncio.gather(*made)
        said.say(ids=[session.session_id for session in sessions])
        saying, until = asyncio.create_task(said.for_ever()), time.monotonic() + seconds
        await asyncio.gather(*(agent(manager, s.session_id, until, said) for s in sessions))
        saying.cancel()
    said.say()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))

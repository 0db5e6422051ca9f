"""An agent process: `python -m tests.library.owner_process SESSION DATABASE_URL VALKEY_URL`.

Prints each event. SIGTERM makes it leave at its next safe point.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec

from agent_sessions import OrderReceived, SessionManager


async def main(session_id: str, database_url: str, valkey_url: str) -> None:
    async with await SessionManager.connect(database_url, valkey_url) as manager:
        try:
            async with manager.attach(session_id, stop_on_sigterm=True) as run:
                while True:
                    run.context["steps"] = run.context.get("steps", 0) + 1
                    await run.checkpoint("step")
                    if run.context["steps"] == 1:
                        print("at work", flush=True)
                    await asyncio.sleep(0.02)
        except OrderReceived as order:
            print(type(order).__name__, flush=True)


async def started(session_id: str, database_url: str, valkey_url: str) -> Process:
    """Starts the process; returns after its first step is stored."""
    urls = database_url, valkey_url
    process = await create_subprocess_exec(
        sys.executable, "-m", "tests.library.owner_process", session_id, *urls, stdout=PIPE
    )
    assert await said(process) == "at work"
    return process


async def said(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))

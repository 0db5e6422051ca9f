"""A process that writes to a shared session: `python -m tests.library.writer_process …`.

Prints "ready", waits for a line, writes, and prints the number of its conflicts as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from agent_sessions import Conflict, SessionManager


async def own_parts(manager: SessionManager, session_id: str, name: str, times: int) -> int:
    """Writes only its own keys and checkpoints, so without conflicts."""
    session = await manager.get_session(session_id)
    assert session is not None
    for n in range(times):
        session.context[f"{name} {n}"] = n
        session.context["of"][name] = n
        session.checkpoint(name, {"n": n})
        await manager.update_session(session)
    return 0


async def one_counter(manager: SessionManager, session_id: str, name: str, times: int) -> int:
    """Writes the same path as others, and again after each conflict. Returns the number of conflicts."""
    conflicts = 0
    for n in range(times):
        while True:
            session = await manager.get_session(session_id)
            assert session is not None
            session.context["count"] += 1
            session.checkpoint(name, {"n": n})
            try:
                await manager.update_session(session)
                break
            except Conflict as conflict:
                assert conflict.paths == ["count"]
                conflicts += 1
    return conflicts


async def main(database_url: str, valkey_url: str, session_id: str, name: str, work: str) -> None:
    async with await SessionManager.connect(database_url, valkey_url or None) as manager:
        await manager.get_session(session_id)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        times = 40
        met = await (own_parts if work == "own" else one_counter)(manager, session_id, name, times)
        print(json.dumps({"conflicts": met}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

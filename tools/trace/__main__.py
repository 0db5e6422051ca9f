"""`python -m tools.trace`: what one checkpoint, one pause and one acknowledgement pass in the library.

Starts PostgreSQL and Valkey as `tools.bench` does. `--path checkpoint` prints each call of that path in order.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count

from agent_sessions import Run, SessionManager
from tools.bench.stage import Stage, stage
from tools.trace.recorder import Recorder, quiet

WARM_UP = 3  # calls before the one that is recorded: connections, caches and prepared statements are there
NEVER = 3600.0  # seconds: heartbeats are brought to PostgreSQL by no task of their own meanwhile

TracedCall = Callable[[], Awaitable[object]]


async def main(shown: str | None, place: Stage) -> None:
    async with AsyncExitStack() as stack:
        agent = await stack.enter_async_context(place.ours(flush_seconds=NEVER))
        operator = await stack.enter_async_context(place.ours(flush_seconds=NEVER, source="page"))
        print("| path | functions | files | re-entries | statements | round trips to Valkey |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, recorder in {
            "checkpoint": await _checkpoint(agent),
            "pause": await _pause(operator),
            "acknowledgement": await _acknowledgement(operator, agent),
        }.items():
            found = recorder.figures()
            said = ", ".join(found.statements)
            print(
                f"| {name} | {found.functions} | {found.files} | {found.reentries}"
                f" | {len(found.statements)}: {said} | {found.round_trips} |"
            )
            if name == shown:
                print("\n".join(recorder.path()))


async def _checkpoint(agent: SessionManager) -> Recorder:
    """By an attached agent, safe point included."""
    session = await agent.create_session("trace")
    numbers = count(1)
    async with agent.attach(session.session_id, interval=NEVER) as run:
        return await _recorded(lambda: _one_checkpoint(run, next(numbers)))


async def _one_checkpoint(run: Run, n: int) -> None:
    run.context["n"] = n
    await run.checkpoint(f"step_{n}", {"n": n})


async def _pause(operator: SessionManager) -> Recorder:
    session_ids = iter([(await operator.create_session("trace")).session_id for _ in range(9)])
    return await _recorded(lambda: operator.pause(next(session_ids), actor="olga"))


async def _acknowledgement(operator: SessionManager, agent: SessionManager) -> Recorder:
    ordered = iter([await _ordered(operator) for _ in range(9)])
    return await _recorded(lambda: agent.acknowledge(*next(ordered)))


async def _ordered(operator: SessionManager) -> tuple[str, int]:
    session = await operator.create_session("trace")
    session = await operator.pause(session.session_id, actor="olga")
    return session.session_id, session.order_version


async def _recorded(path: TracedCall) -> Recorder:
    for _ in range(WARM_UP):
        await path()
    await quiet()
    recorder = Recorder()
    with recorder.recording():
        await path()
    return recorder


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--path", choices=("checkpoint", "pause", "acknowledgement"))
    with stage() as place:
        asyncio.run(main(arguments.parse_args().path, place))

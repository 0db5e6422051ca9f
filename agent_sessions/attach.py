"""The block of an attached agent: its lease, heartbeats, interruption and exit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent_sessions import sigterm, tasks
from agent_sessions.attach_exit import leave
from agent_sessions.attach_options import AttachOptions
from agent_sessions.errors import SessionNotFound
from agent_sessions.interruption import Interruption
from agent_sessions.lease_owner import Lease, new_lease
from agent_sessions.leases import Leases
from agent_sessions.listeners import HeadListeners
from agent_sessions.manager_protocol import RunManager
from agent_sessions.run import Run


@asynccontextmanager
async def attach(
    manager: RunManager,
    listeners: HeadListeners,
    leases: Leases,
    session_id: str,
    options: AttachOptions,
) -> AsyncIterator[Run]:
    """Raises SessionNotFound, SessionOwned, and Failed, Completed or Deleted when the session has ended."""
    lease = new_lease(options.interval)
    why = "left open"
    try:
        await leases.acquire(session_id, lease, options.wait, take_over=options.take_over)
        async with _running(manager, listeners, session_id, lease, options) as run:
            yield run
    except BaseException as error:
        why = type(error).__name__
        raise
    finally:
        await leases.release(session_id, lease, why)


@asynccontextmanager
async def _running(
    manager: RunManager,
    listeners: HeadListeners,
    session_id: str,
    lease: Lease,
    options: AttachOptions,
) -> AsyncIterator[Run]:
    session = await manager.read(session_id)
    if session is None:
        raise SessionNotFound(session_id)
    run = Run(manager, session, lease, options.interval)
    listeners.add(session_id, run.on_head)
    beats = asyncio.create_task(run.beat(), name=f"beats of {session_id}")
    run.parts.enter()
    try:
        with sigterm.stops(run, options.stop_on_sigterm):
            await run.enter()
            async with _left_as_it_ended(run, options):
                yield run
    finally:
        run.leave()
        if not lease.is_copy:
            try:
                await run.acknowledge_end()
            finally:
                listeners.remove(session_id, run.on_head)
                await tasks.cancel_and_wait(beats)


@asynccontextmanager
async def _left_as_it_ended(run: Run, options: AttachOptions) -> AsyncIterator[None]:
    interruption = Interruption(run, options.interrupt)
    try:
        yield
    except BaseException as error:
        if await interruption.end(error):
            order = await run.known_order()
            if order is not None:
                raise order from None
        await leave(run, error, options)
        raise
    await interruption.end(None)
    await leave(run, None, options)

"""The main program of every agent's process: `python -m demo.grader grader-1`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from agent_sessions import SessionManager
from agent_sessions.conversation import shutdown_session_manager
from demo.desk import Desk
from demo.patience import AWAY, patiently
from demo.surroundings import Surroundings

log = logging.getLogger("demo")
STOP_SECONDS = 6.0  # less than the supervisor waits before it kills
OpenDesk = Callable[[SessionManager, Surroundings], Awaitable[Desk]]


def main(open_desk: OpenDesk) -> None:
    options = argparse.ArgumentParser()
    options.add_argument("worker", help="the name under which this process finds its sessions")
    worker = options.parse_args().worker
    speak(worker)
    asyncio.run(until_told(serve(Surroundings.read(worker), open_desk)))


def speak(worker: str) -> None:
    level = os.environ.get("DEMO_LOG") or "WARNING"
    logging.basicConfig(level=level, format=f"%(asctime)s {worker} %(levelname)s %(message)s")


async def serve(around: Surroundings, open_desk: OpenDesk) -> None:
    async with connected(around) as manager:
        desk = await open_desk(manager, around)
        try:
            await desk.run()
        finally:
            await desk.close()
            await shutdown_session_manager()


@asynccontextmanager
async def connected(around: Surroundings) -> AsyncIterator[SessionManager]:
    """Waits for PostgreSQL without a timeout."""
    manager = await patiently(
        "connecting",
        lambda: SessionManager.connect(
            around.database_url, around.valkey_url, namespace=around.namespace
        ),
    )
    try:
        yield manager
    finally:
        try:
            await manager.close()
        except AWAY as error:
            log.warning("the last heartbeats are not stored: %s", error)


async def until_told(work: Awaitable[None]) -> None:
    """Runs until SIGTERM or SIGINT, or until the parent is gone; then exits within STOP_SECONDS in any case."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # Signal and pipe may come together: a second cancellation would cut the tidying short.
        if not task.cancelling():
            loop.call_later(STOP_SECONDS, os._exit, 1)
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if os.environ.get("DEMO_LIFELINE"):
        loop.add_reader(sys.stdin.fileno(), _when_the_line_is_cut, loop, stop)
    with suppress(asyncio.CancelledError):
        await task


def _when_the_line_is_cut(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Stops when standard input ends: it is a pipe that ends with the parent process."""
    if not os.read(sys.stdin.fileno(), 1024):
        loop.remove_reader(sys.stdin.fileno())
        stop()

"""A process with actors: `python -m tools.stress.worker_process`. Reads commands as JSON lines, for many runs.

begin: connect, start the actors, and answer "begun"; lose: drop announcements, or stop dropping
them; end: finish, and answer "done".
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from agent_sessions import SessionError, SessionManager
from agent_sessions.pool import open_pool
from tools.stress.administrators import Administrator
from tools.stress.attached_agent import AttachedAgent
from tools.stress.base_actor import PATIENCE, ActorTask, WriterTask
from tools.stress.call_log import Log
from tools.stress.old_agents import Old
from tools.stress.plan import Actor

FINISH_SECONDS = 2.0
CLOSE_SECONDS = 10.0


class LossyRedis(Redis):
    """Can drop announcements, as if the process died between commit and announcement."""

    losing = False

    def eval(self, script: str, *values: Any) -> Any:
        if self.losing and "PUBLISH" in script:
            return _lost()
        return super().eval(script, *values)


async def _lost() -> None:
    pass


class Process:
    """The actors of one run."""

    def __init__(self, command: dict[str, Any]) -> None:
        self._command = command
        self._log = Log(Path(command["log"]))
        self._workers: list[ActorTask] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._starting = asyncio.create_task(self._start())
        url = command["valkey_url"]
        self._client: LossyRedis = LossyRedis.from_url(  # type: ignore[assignment]
            url, socket_connect_timeout=2.0, socket_timeout=5.0
        )

    def lose(self, losing: bool) -> None:
        self._client.losing = losing

    async def _start(self) -> None:
        while True:
            try:
                self._pool = await open_pool(self._command["database_url"])
                break
            except SessionError:
                await asyncio.sleep(PATIENCE)
        self._manager = SessionManager(self._client, self._pool, flush_seconds=0.5)
        for given in self._command["actors"]:
            worker = self._made(Actor.from_dict(given))
            self._workers.append(worker)
            self._tasks.append(asyncio.create_task(worker.work()))
        print("begun", flush=True)

    def _made(self, actor: Actor) -> ActorTask:
        session = self._command["sessions"][actor.session]
        given = (actor, session, self._manager, self._log, self._command["attempt"])
        match actor.kind:
            case "agent":
                return AttachedAgent(*given)
            case "writer":
                return WriterTask(*given)
            case "administrator":
                return Administrator(*given)
            case _:
                urls = {name: self._command[name] for name in ("database_url", "valkey_url")}
                return Old(*given, **urls)

    async def end(self) -> None:
        """Lets actors finish their calls; cancels those that wait, for example in a pause."""
        await self._starting
        for worker in self._workers:
            worker.ending.set()
        await asyncio.wait(self._tasks, timeout=FINISH_SECONDS)
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                await self._log.failed("process", "actor", result)
        await self._close()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._log.call("process", "", "close", self._manager.close)
        except (SessionError, TimeoutError):
            pass  # the log has the error
        await self._client.aclose()
        await self._pool.close()
        self._log.close()


async def main() -> None:
    reader = asyncio.StreamReader(limit=2**24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    process: Process | None = None
    while line := await reader.readline():
        command = json.loads(line)
        if command["do"] == "begin":
            process = Process(command)
        elif process is not None and command["do"] == "lose":
            process.lose(command["losing"])
        elif process is not None:
            await process.end()
            print("done", flush=True)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # errors during outages are expected
    asyncio.run(main())

"""One run: carries out the plan of a seed, waits until everything is quiet, and judges."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from agent_sessions import SessionManager
from tools.stress import call_log, stored_state
from tools.stress.judge import judge
from tools.stress.plan import Disturbance, Plan
from tools.stress.servers import StressServers, WorkerProcess
from tools.stress.violations import Violation

QUIET_SECONDS = 1.0
AGENT_TYPE = "stress"


class StressRun:
    def __init__(self, place: StressServers, plan: Plan, folder: Path) -> None:
        self._place, self._plan, self._folder = place, plan, folder
        self._sessions: list[str] = []
        # a type of its own for each run, because counts are kept by agent type
        self._agent_type = f"{AGENT_TYPE}-{plan.seed}-{time.time_ns() % 1_000_000}"

    async def run(self) -> list[Violation]:
        self._folder.mkdir(parents=True, exist_ok=True)
        await self._create_sessions()
        for worker in self._place.workers.values():
            worker.begin(self._command(worker.name), self._folder)
        await asyncio.gather(*(w.answer("begun") for w in self._place.workers.values()))
        await self._disturb()
        await self._end()
        await asyncio.sleep(QUIET_SECONDS)
        return await asyncio.to_thread(self._judge)

    async def _create_sessions(self) -> None:
        place = self._place
        async with await SessionManager.connect(place.database_url, place.valkey_url) as manager:
            for number in range(self._plan.sessions):
                made = await manager.create_session(self._agent_type, "stress", {"begin": number})
                self._sessions.append(made.session_id)

    def _command(self, process: str) -> dict[str, Any]:
        actors = [a.to_dict() for a in self._plan.actors if a.process == process]
        return {"actors": actors, "sessions": self._sessions}

    async def _disturb(self) -> None:
        begin = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for disturbance in self._plan.disturbances:
                tasks.create_task(self._at_its_time(disturbance, begin))
            await asyncio.sleep(self._plan.seconds)

    async def _at_its_time(self, disturbance: Disturbance, begin: float) -> None:
        await asyncio.sleep(max(0.0, begin + disturbance.at - time.monotonic()))
        async with self._lasting(disturbance):
            await asyncio.sleep(disturbance.seconds)

    @contextlib.asynccontextmanager
    async def _lasting(self, disturbance: Disturbance) -> AsyncIterator[None]:
        target = disturbance.target
        match disturbance.kind:
            case "stop":
                self._place.signal(target, signal.SIGSTOP)
                yield
                self._place.signal(target, signal.SIGCONT)
            case "kill":
                await self._place.workers[target].kill(self._folder)
                yield
            case _:
                worker = self._place.workers[target]
                self._begin(disturbance, worker)
                yield
                _mend(disturbance, worker)

    def _begin(self, disturbance: Disturbance, worker: WorkerProcess) -> None:
        match disturbance.kind:
            case "cut":
                worker.proxies[disturbance.server].cut()
            case "delay":
                proxy = worker.proxies[disturbance.server]
                proxy.random = Random(f"{self._plan.seed} {disturbance.at}")  # noqa: S311
                proxy.longest_delay = 0.05 + proxy.random.random() ** 3 * 8
            case _:
                worker.send({"do": "lose", "losing": True})

    async def _end(self) -> None:
        for target in (*self._place.servers, *self._place.workers):
            self._place.signal(target, signal.SIGCONT)
        for worker in self._place.workers.values():
            for proxy in worker.proxies.values():
                proxy.mend()
            worker.send({"do": "lose", "losing": False})
        await asyncio.gather(*(worker.end() for worker in self._place.workers.values()))

    def _judge(self) -> list[Violation]:
        calls = call_log.read(self._folder)
        records = stored_state.read(
            self._place.database_url, self._place.valkey_url, self._sessions
        )
        counts = stored_state.wrong_counts(self._place.database_url, self._agent_type)
        found = judge(records, calls, counts)
        return [Violation(**asdict(violation) | {"seed": self._plan.seed}) for violation in found]


def _mend(disturbance: Disturbance, worker: WorkerProcess) -> None:
    match disturbance.kind:
        case "cut":
            worker.proxies[disturbance.server].is_cut = False
        case "delay":
            worker.proxies[disturbance.server].longest_delay = 0.0
        case _:
            worker.send({"do": "lose", "losing": False})

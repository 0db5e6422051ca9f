"""Servers, proxies and processes: started once, used by one run after the other."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_sessions.schema import migrate
from dashboard.embedded import postgres, silently, valkey
from dashboard.embedded.credentials import LogIn
from dashboard.embedded.data_folder import prepare, socket_folder
from dashboard.embedded.process import Child, die_with_parent
from dashboard.environment import BASE_DIR
from tools.chaos.world import signal_all
from tools.stress.plan import AGENT_PROCESSES, PROCESSES
from tools.stress.proxy import Proxy

ANSWER_SECONDS = 90.0


@dataclass
class WorkerProcess:
    """One process with actors, and its own proxies to both servers."""

    name: str
    proxies: dict[str, Proxy]
    data_dir: Path
    process: asyncio.subprocess.Process
    spare: asyncio.subprocess.Process | None = None  # replaces a killed process at once
    command: dict[str, Any] = field(default_factory=dict)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def started(cls, name: str, proxies: dict[str, Proxy], data_dir: Path) -> WorkerProcess:
        spare = await _process() if name in AGENT_PROCESSES else None
        return cls(name, proxies, data_dir, await _process(), spare)

    async def kill(self, folder: Path) -> None:
        """Kills the process and replaces it at once. The lock is needed: overlapping kills would leave one running."""
        async with self._starting:
            await self.start_again()
            self.begin(self.command, folder)

    async def start_again(self) -> None:
        await _kill(self.process)
        next_one = self.spare or await _process()
        self.spare = await _process() if self.spare else None
        self.process = next_one

    def send(self, command: dict[str, Any]) -> None:
        if self.process.stdin is not None and self.process.returncode is None:
            self.process.stdin.write(json.dumps(command).encode() + b"\n")

    def begin(self, command: dict[str, Any], folder: Path) -> None:
        """Starts a run, with a log of its own for each start."""
        attempt = int(command.get("attempt", 0)) + 1
        log = folder / f"{self.name}-{attempt}.jsonl"
        ports = {server: proxy.port for server, proxy in self.proxies.items()}
        log_in = LogIn.DASHBOARD if self.name == "administrators" else LogIn.AGENTS
        urls = {
            "database_url": postgres.url_through(self.data_dir, ports["postgresql"], log_in),
            "valkey_url": valkey.url_through(self.data_dir, ports["valkey"], log_in),
        }
        self.command = command | urls | {"do": "begin", "attempt": attempt, "log": str(log)}
        self.send(self.command)

    def signal(self, number: int) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def stop(self) -> None:
        for process in (self.process, self.spare):
            if process is not None:
                await _kill(process)
        for proxy in self.proxies.values():
            await proxy.stop()

    async def answer(self, expected: str) -> None:
        """Waits for this answer. Raises TimeoutError if it does not come, RuntimeError if the process ends."""
        if (answers := self.process.stdout) is None:
            return
        async with asyncio.timeout(ANSWER_SECONDS):
            while line := await answers.readline():
                if line.decode().strip() == expected:
                    return
        raise RuntimeError(f"{self.name} ended by itself")

    async def end(self) -> None:
        self.send({"do": "end"})
        await self.answer("done")


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def _process() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tools.stress.worker_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=BASE_DIR,
        env={**os.environ, "PYTHONPATH": str(BASE_DIR)},
        preexec_fn=lambda: die_with_parent(signal.SIGKILL),
    )


class StressServers:
    """PostgreSQL and Valkey in a temporary folder. Start it in the main thread."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stress-"))
        self.folder.chmod(0o711)
        self.servers: dict[str, Child] = {}
        self.workers: dict[str, WorkerProcess] = {}

    @property
    def database_url(self) -> str:
        return postgres.url(self.folder)

    @property
    def valkey_url(self) -> str:
        return valkey.url(self.folder)

    def start_servers(self) -> None:
        prepare(self.folder)
        self.servers["postgresql"] = postgres.start(self.folder, silently, durable=False)
        self.servers["valkey"] = valkey.start(self.folder, silently)
        migrate(self.database_url)

    async def start_workers(self) -> None:
        sockets = socket_folder(self.folder)
        targets = {
            "postgresql": sockets / ".s.PGSQL.5432",
            "valkey": sockets / valkey.OPTIONS["unixsocket"],
        }
        for name in PROCESSES:
            proxies = {server: Proxy(target) for server, target in targets.items()}
            for proxy in proxies.values():
                await proxy.start()
            self.workers[name] = await WorkerProcess.started(name, proxies, self.folder)

    async def restart_workers(self) -> None:
        for worker in self.workers.values():
            await worker.start_again()

    def signal(self, target: str, number: int) -> None:
        if target in self.servers:
            signal_all(self.servers[target], number)
        else:
            self.workers[target].signal(number)

    async def stop_workers(self) -> None:
        for worker in self.workers.values():
            await worker.stop()

    def stop_servers(self) -> None:
        for child in self.servers.values():
            signal_all(child, signal.SIGCONT)
            child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

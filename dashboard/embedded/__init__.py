"""PostgreSQL and Valkey from Python wheels, in the data folder: for a first try, development and tests.

They are started where DATABASE_URL or VALKEY_URL is unset, listen on Unix sockets in a folder that
only their account may enter, and belong to the one process that holds the data folder's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dashboard import environment
from dashboard.embedded import addresses, postgres, valkey
from dashboard.embedded.data_folder import Lock, prepare
from dashboard.embedded.process import Child

NEEDS_NO_SERVER = {
    *("help", "--help", "-h", "version", "--version", "check", "collectstatic", "findstatic"),
    *("makemessages", "compilemessages", "startapp"),
}


def silently(_: str) -> None:
    pass


@dataclass
class Servers:
    """The servers of one data folder. `start` only what has no address of its own."""

    data_dir: Path
    database: bool = True
    valkey: bool = True
    durable: bool = True
    tell: Callable[[str], None] = silently
    children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        try:
            if self.database:
                self.children.append(postgres.start(self.data_dir, self.tell, durable=self.durable))
            if self.valkey:
                self.children.append(valkey.start(self.data_dir, self.tell))
        except BaseException:
            self.stop()
            raise

    def lines(self) -> str:
        """The two lines that an agent's author exports."""
        given = environment.read()
        return addresses.lines(
            postgres.url(self.data_dir) if self.database else given.database_url,
            valkey.url(self.data_dir) if self.valkey else given.valkey_url,
        )

    def stop(self) -> None:
        while self.children:
            self.children.pop().stop()


@contextmanager
def running(servers: Servers) -> Iterator[Servers]:
    """The servers for the length of a block, and the data folder ours for as long."""
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
    """The servers for a management command, unless it needs none or they run already."""
    settings = environment.read()
    servers = Servers(
        settings.data_dir, database=not settings.database_url, valkey=not settings.valkey_url
    )
    if not (needs_servers(argv) and (servers.database or servers.valkey)):
        yield
        return
    prepare(settings.data_dir)
    if Lock(settings.data_dir).is_held_elsewhere():
        yield
        return
    with running(servers):
        yield

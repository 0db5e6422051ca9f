"""`python -m dashboard.all_in_one`: servers, dashboard and demo agents in one terminal.

Ctrl-C stops them in order.
"""

from __future__ import annotations

import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from dashboard import environment
from dashboard.embedded import (
    Servers,
    addresses,
    database_url,
    of_environment,
    postgres,
    process,
    running,
    valkey,
    valkey_url,
)
from dashboard.embedded.credentials import LogIn
from dashboard.embedded.process import Child
from dashboard.environment import BASE_DIR, Environment
from dashboard.environment import without_password as hidden
from dashboard.errors import SetupError, exit_with_message
from dashboard.listen_address import check_port, url_of
from dashboard.polling import poll
from dashboard.preflight import check_database, explained, warn_without_valkey
from dashboard.stop_signals import Stop, StopSignals, stop_on_signals
from dashboard.supervisor import SupervisedProcess, supervise
from dashboard.translations import compile_messages

SERVE_SECONDS = 60
WITHOUT = {
    "Valkey": "going on without it; orders reach agents with their next heartbeat",
    "the watchdog": "no session is failed for silence meanwhile",
    "the demo agents": "the dashboard goes on",
}


def tell(step: str) -> None:
    """Prints a step. A closed terminal must not prevent the shutdown."""
    with suppress(OSError):
        print(f"==> {step}", flush=True)


def until_stopped(programs: list[SupervisedProcess], stop: StopSignals) -> None:
    supervise(programs, stop.wait)


def main(
    serve: Callable[[list[SupervisedProcess], StopSignals], None] = until_stopped,
) -> None:
    """Starts everything, then calls `serve`, which runs until it raises `Stop`."""
    settings = environment.read()
    if "MAKELEVEL" in os.environ:
        process.die_with_parent(signal.SIGTERM)
    check_port(settings.host, settings.port)
    stop = stop_on_signals()
    try:
        with running(of_environment(settings, tell)) as servers:
            with stop.at_once():
                password = prepare(settings)
            with Programs() as programs:
                programs.start("daphne", daphne(settings), patience=5)
                wait_until_served(settings, [*servers.children, *programs.children], stop)
                sweep = [sys.executable, "manage.py", "sweep"]
                programs.start("the watchdog", sweep, patience=5)
                if settings.demo:
                    programs.start("the demo agents", [sys.executable, "manage.py", "demo_agents"])
                announce(settings, password, servers)
                serve([*kept_servers(servers), *programs.kept()], stop)
    except Stop:
        tell("stopped")


def kept_servers(servers: Servers) -> list[SupervisedProcess]:
    again = {"PostgreSQL": servers.start_postgres, "Valkey": servers.start_valkey}
    return [
        SupervisedProcess(servers.children, child, again[child.name]) for child in servers.children
    ]


def prepare(settings: Environment) -> str:
    """Prepares database, translations and administrator; returns the administrator's password."""
    check_database(database_url(settings, LogIn.DASHBOARD), wait=settings.startup_wait)
    warn_without_valkey(valkey_url(settings, LogIn.DASHBOARD))
    compile_messages(BASE_DIR / "locale")
    import django
    from django.core.management import call_command
    from django.db import DatabaseError, connections

    tell("migrating the database …")
    django.setup()
    from dashboard.administrator import ensure_administrator

    try:
        call_command("migrate", verbosity=0)
        return ensure_administrator()
    except DatabaseError as error:
        raise explained(error) or error from None
    finally:
        for connection in connections.all():
            connection.close_pool()  # type: ignore[attr-defined]


@dataclass
class Programs:
    """The programs beside the servers, stopped in the order in which they were started, the web server first."""

    children: list[Child] = field(default_factory=list)
    _again: dict[str, Callable[[], Child]] = field(default_factory=dict)

    def start(self, name: str, command: Sequence[str], patience: float = 15) -> None:
        tell(f"starting {name} …")
        self._again[name] = partial(process.start, name, command, cwd=BASE_DIR, patience=patience)
        self.children.append(self._again[name]())

    def kept(self) -> list[SupervisedProcess]:
        return [
            SupervisedProcess(self.children, child, self._again[child.name])
            for child in self.children
        ]

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children:
            tell(f"stopping {child.name} …")
            child.stop()


def daphne(settings: Environment) -> list[str]:
    return [
        *(sys.executable, "-m", "daphne", "-v", "0", "--no-server-name"),
        *(("--proxy-headers",) if settings.behind_https else ()),
        *("-b", settings.host, "-p", str(settings.port), "dashboard.asgi:application"),
    ]


def wait_until_served(settings: Environment, children: list[Child], stop: StopSignals) -> None:
    for _is_last in poll(SERVE_SECONDS, 0.1, stop.wait):
        if served(f"{url_of(settings.host, settings.port)}healthz"):
            return
        gone_without(children)
    raise SetupError(f"The dashboard does not answer after {SERVE_SECONDS} s: see above")


def served(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  (our own address)
            return True
    except (urllib.error.URLError, OSError):
        return False


def announce(settings: Environment, password: str, servers: Servers) -> None:
    kept = "" if settings.admin_password else f"   (kept in {settings.data_dir}/admin-password)"
    facts = {
        "Dashboard": url_of(settings.host, settings.port, settings.url_prefix),
        "User": "admin",
        "Password": f"{password}{kept}" if password else "as you changed it",
        "Agents": "these two lines lead them here; `make env` prints them again",
    }
    said = "".join(f"  {name:<11}{value}\n" for name, value in facts.items())
    print(f"\n{said}\n{lines_to_show(settings, servers)}\n  Stop       Ctrl-C\n", flush=True)


def lines_to_show(settings: Environment, servers: Servers) -> str:
    """The lines for agents. Passwords of configured addresses are hidden."""
    return addresses.lines(
        postgres.url(servers.data_dir, LogIn.AGENTS)
        if servers.database
        else hidden(settings.database_url),
        valkey.url(servers.data_dir, LogIn.AGENTS)
        if servers.valkey
        else hidden(settings.valkey_url),
    )


def gone_without(children: list[Child]) -> None:
    """Raises SetupError when an essential program ended during startup; warns about the others."""
    for child in [child for child in children if child.process.poll() is not None]:
        children.remove(child)
        ended = f"{child.name} ended by itself (exit {child.process.returncode})"
        if child.name not in WITHOUT:
            raise SetupError(
                f"{ended}: everything stops; what it said last stands above or in its log"
            )
        print(f"warning: {ended}: {WITHOUT[child.name]}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    with exit_with_message():
        main()

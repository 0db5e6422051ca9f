"""All faults. The end of one restores what it stopped or changed; running agents and pages recover by themselves."""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import psycopg
import redis

from tools.chaos import agent_faults, disk, network, refusing, restore, standby
from tools.chaos.agent_processes import Crew
from tools.chaos.fault import Fault
from tools.chaos.world import World, kill, signal_all


def stop_valkey(world: World, _crew: Crew) -> None:
    world.stop_valkey()


def start_valkey(world: World, _crew: Crew) -> None:
    world.start_valkey()


def restart_valkey(world: World, _crew: Crew) -> None:
    world.stop_valkey()
    world.start_valkey()


def flush_valkey(world: World, _crew: Crew) -> None:
    with redis.Redis.from_url(world.valkey_url) as client:
        client.flushall()


def stop_postgres(world: World, _crew: Crew) -> None:
    world.stop_postgres()


def start_postgres(world: World, _crew: Crew) -> None:
    world.start_postgres()


def restart_postgres(world: World, _crew: Crew) -> None:
    world.stop_postgres()
    world.start_postgres()


def kill_postgres(world: World, _crew: Crew) -> None:
    kill(world.postgres)


def freeze_postgres(world: World, _crew: Crew) -> None:
    signal_all(world.postgres, signal.SIGSTOP)


def thaw_postgres(world: World, _crew: Crew) -> None:
    signal_all(world.postgres, signal.SIGCONT)


PUT_OUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND application_name <> 'hog'
"""


class Hog:
    """Takes all connections of PostgreSQL, including those that others had."""

    def __init__(self) -> None:
        self._held: list[psycopg.Connection[object]] = []

    def take_all(self, world: World, _crew: Crew) -> None:
        """Repeats until no other client is connected, because terminated ones reconnect at once."""
        self._take(world)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with suppress(psycopg.Error):
                if not self._held[0].execute(PUT_OUT).fetchall():
                    return
            self._take(world)

    def _take(self, world: World) -> None:
        with suppress(psycopg.OperationalError):
            while True:
                self._held.append(
                    psycopg.connect(world.direct_url, autocommit=True, application_name="hog")
                )

    def let_go(self, _world: World, _crew: Crew) -> None:
        while self._held:
            self._held.pop().close()


HOG = Hog()


def kill_web(world: World, _crew: Crew) -> None:
    kill(world.web)


def start_web(world: World, _crew: Crew) -> None:
    world.start_web()


def kill_agents(_world: World, crew: Crew) -> None:
    for agent in crew.agents:
        kill(agent.child)


def start_agents(world: World, crew: Crew) -> None:
    for agent in crew.agents:
        agent.start(world)


def make_read_only(world: World, _crew: Crew) -> None:
    """A reload also affects existing connections."""
    world.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    world.sql("SELECT pg_reload_conf()")


def make_writable(world: World, _crew: Crew) -> None:
    world.sql("ALTER SYSTEM RESET default_transaction_read_only")
    world.sql("SELECT pg_reload_conf()")


ALL = (
    Fault("Valkey stopped", stop_valkey, start_valkey, 8, away="valkey", unwell="valkey"),
    Fault("Valkey restarted", restart_valkey),
    Fault("Valkey flushed", flush_valkey),
    *refusing.ALL,
    Fault("PostgreSQL stopped", stop_postgres, start_postgres, 8, away="database", unwell="database"),
    Fault("PostgreSQL restarted", restart_postgres),
    Fault("PostgreSQL killed", kill_postgres, start_postgres, 2, away="database", unwell="database"),
    Fault("PostgreSQL read-only", make_read_only, make_writable, 8, unwell="database"),
    Fault("out of connections", HOG.take_all, HOG.let_go, 7, away="database", unwell="database"),
    Fault("PostgreSQL slow", freeze_postgres, thaw_postgres, 7, away="database", unwell="database"),
    *restore.ALL,
    Fault("web process killed", kill_web, start_web, 1, away="web"),
    Fault("agents killed", kill_agents, start_agents, 1),
    *agent_faults.ALL,
    *network.ALL,
    Fault(
        "PostgreSQL fails over",
        standby.kill_primary,
        standby.promote,
        2,
        away="database",
        world="standby",
        note=standby.how,
    ),
    Fault("disk full", disk.fill, disk.empty, 6, world="small disk", note=disk.how),
)  # fmt: skip
BY_NAME = {fault.name: fault for fault in ALL}

"""A synchronous standby on the same machine: it has every commit that the primary acknowledged."""

from __future__ import annotations

import shutil
from pathlib import Path

from dashboard.embedded import credentials, postgres, process, silently
from dashboard.embedded.account import server_account
from dashboard.embedded.data_folder import own_folder, socket_folder
from tools.chaos.agent_faults import wait
from tools.chaos.agent_processes import Crew
from tools.chaos.world import World, kill

PATIENCE = 20


def is_possible() -> bool:
    return _programs().joinpath("pg_basebackup").exists()


def _programs() -> Path:
    return postgres.program_folder(server_account(), silently)


def add(world: World) -> None:
    """Adds the standby while agents write, then makes every commit wait for it."""
    folder = world.folder / "standby"
    folder.mkdir(mode=0o711, exist_ok=True)
    cluster = folder / "postgres"
    account = server_account()
    own_folder(cluster, account)
    # the standby has the roles of the primary, and so their passwords
    shutil.copy2(world.folder / credentials.FILE, folder / credentials.FILE)
    done = process.run(
        [
            *(_programs() / "pg_basebackup", "-D", cluster, "-R", "-X", "stream"),
            *("--checkpoint=fast", "-U", "postgres", "-h", socket_folder(world.folder)),
        ],
        account,
        cwd=cluster,
        env={"PGPASSWORD": credentials.secret(folder, "postgres", credentials.LogIn.OWNER)},
    )
    if done.returncode:
        raise RuntimeError(f"no standby could be made: {done.stderr}")
    world.standby = postgres.start(folder, silently, durable=True)
    world.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    world.sql("SELECT pg_reload_conf()")
    _wait(world, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")


def kill_primary(world: World, _crew: Crew) -> None:
    kill(world.postgres)
    shutil.rmtree(world.folder / "postgres", ignore_errors=True)  # the old primary does not return


def promote(world: World, _crew: Crew) -> None:
    world.postgres, world.standby = world.standby, None
    world.cluster = world.folder / "standby"
    world.sql("SELECT pg_promote(true, 30)")
    if world.wire is not None:
        world.wire.switch(World.socket_of(world.cluster))


def how(_world: World) -> str:
    return "to a synchronous standby"


def _wait(world: World, question: str) -> None:
    wait(lambda: bool(world.sql(question)), question, PATIENCE)

"""A restored dump, by the steps of docs/operations.md."""

from __future__ import annotations

import time

import psycopg
from psycopg.conninfo import make_conninfo

from dashboard.embedded import postgres
from tests.support import runbook
from tools.chaos.agent_processes import Crew
from tools.chaos.fault import Fault
from tools.chaos.world import World

LOST_SECONDS = 1.5  # between the dump and the restore
RESTORED_AT = """
SELECT extract(epoch FROM min(pg_xact_commit_timestamp(xmin)))::float8 FROM agent_session_checkpoints
"""


def in_place(world: World, _crew: Crew) -> None:
    began = _dump(world)
    said = _run(world, "--clean")
    if "ERROR" in said:
        raise RuntimeError(said[:500])
    _note(world, began)


def anew(world: World, _crew: Crew) -> None:
    """Restores into a new database of the former name, as when a database is moved."""
    began = _dump(world)
    server = make_conninfo(world.direct_url, dbname="postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {postgres.DATABASE} WITH (FORCE)".encode())
    _run(world, "createdb")
    _note(world, began)


def _dump(world: World) -> float:
    began = time.time()
    _run(world, "pg_dump")
    time.sleep(LOST_SECONDS)
    return began


def _run(world: World, containing: str) -> str:
    return runbook.run(
        runbook.block(containing),
        world.folder,
        world.direct_url,
        DATABASE_URL=world.direct_url,
        NEW_DATABASE=postgres.DATABASE,
    )


def _note(world: World, began: float) -> None:
    """Writes acknowledged between the dump and the restore's commit are lost by design."""
    [(restored_at,)] = world.sql(RESTORED_AT)
    world.lost = began, float(str(restored_at))


def all_went_on_anew(world: World, crew: Crew) -> list[str]:
    """Every agent must have received `Restored`."""
    lost = world.lost
    return [
        "an agent did not hear of the restore"
        for agent in crew.agents
        if lost is None
        or not any(e["order"] == "Restored" and e["at"] > lost[0] for e in agent.entries("ordered"))
    ]


ALL = (
    Fault("database restored in place", in_place, at_most=25, grace=12, judge=all_went_on_anew),
    Fault("database restored anew", anew, at_most=25, grace=12, judge=all_went_on_anew),
)

"""Network faults between all processes and PostgreSQL."""

from __future__ import annotations

import asyncio
import time

from agent_sessions import SessionManager
from tools.chaos.agent_processes import AgentProcess, Crew
from tools.chaos.fault import Fault
from tools.chaos.wire import Wire
from tools.chaos.world import World

WITHOUT_NOTIFICATIONS = 12.0  # seconds; a web process compares itself with the database every ten
AFTER_ROLLBACK = """
SELECT count(*) FROM agent_session_checkpoints c
WHERE session_id = %s AND (data->>'n')::int = ANY(%s)
  AND version > (SELECT max(version) FROM agent_session_checkpoints r
      WHERE r.session_id = c.session_id AND r.name = 'session_rolled_back')
"""


def wire_of(world: World) -> Wire:
    if world.wire is None:
        raise RuntimeError("this world has no wire")
    return world.wire


def cut_commits(world: World, _crew: Crew) -> None:
    wire_of(world).cut_every = 4


def cut_no_more(world: World, _crew: Crew) -> None:
    wire_of(world).cut_every = 0


def answers_lost(world: World) -> str:
    return f"{wire_of(world).cuts} answers"


def keep_notifications(world: World, _crew: Crew) -> None:
    wire_of(world).keeps_notifications = True


def let_notifications_pass(world: World, _crew: Crew) -> None:
    wire_of(world).keeps_notifications = False


def notifications_kept(world: World) -> str:
    return f"{wire_of(world).kept_notifications} notifications"


def delay_commits(world: World, crew: Crew) -> None:
    """Delays commits and rolls one session back, so that late writes have an older epoch."""
    wire_of(world).hold_every = 4
    for _ in range(3):
        time.sleep(0.7)
        asyncio.run(roll_back(world, crew.steady[1]))


async def roll_back(world: World, agent: AgentProcess) -> None:
    """Rolls back to the newest checkpoint."""
    async with await SessionManager.connect(world.direct_url, world.valkey_url) as manager:
        session = await manager.read(agent.session_id)
        if session is not None:
            await manager.rollback(agent.session_id, session.checkpoint_count, actor="chaos")


def delay_no_more(world: World, _crew: Crew) -> None:
    """Ends the delays; returns when the last delayed commit has arrived."""
    wire = wire_of(world)
    wire.hold_every = 0
    time.sleep(wire.hold_seconds)


def statements_held(world: World) -> str:
    return f"{wire_of(world).held} statements"


def of_an_older_epoch(world: World, crew: Crew) -> list[str]:
    """Checkpoints stored after a rollback that were begun before the agent learned of it."""
    agent = crew.steady[1]
    entries = agent.entries("attached")
    began = entries[-1]["at"]
    former = [e["n"] for e in agent.entries("try") if e["at"] < began]
    [(n,)] = world.sql(AFTER_ROLLBACK, agent.session_id, former)
    problems = [f"{n} late writes took effect after a rollback"] if n else []
    if entries[-1]["epoch"] == 0 or not wire_of(world).held:
        problems.append("no statement was late, or nothing was rolled back: nothing is proven")
    return problems


ALL = (
    Fault("answers of commits lost", cut_commits, cut_no_more, 6, world="wired", note=answers_lost),
    Fault(
        "statements delayed",
        delay_commits,
        delay_no_more,
        3,
        world="wired",
        note=statements_held,
        judge=of_an_older_epoch,
    ),
    Fault(
        "notifications never come",
        keep_notifications,
        let_notifications_pass,
        15,
        world="wired",
        grace=WITHOUT_NOTIFICATIONS,
        note=notifications_kept,
    ),
)

"""Faults of agents' processes, and checks of how the code around their calls handles them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections import Counter
from collections.abc import Callable

from agent_sessions import SessionManager
from dashboard.polling import poll
from tools.chaos.agent_processes import AgentProcess, Crew
from tools.chaos.fault import Fault, nothing
from tools.chaos.world import World, kill

PATIENCE = 15
OWNED = "SELECT count(*) FROM agent_sessions WHERE id = %s AND owner_id IS NOT NULL"
ORDER = "SELECT acknowledged_version >= order_version FROM agent_sessions WHERE id = %s"
CONFIRMED_AT = """
SELECT extract(epoch FROM acknowledged_at)::float8 FROM agent_sessions WHERE id = %s
"""
WRAPPINGS = ("swallowing", "gathering", "grouping", "shielding", "timing out")


def wait(condition: Callable[[], bool], words: str, seconds: float = PATIENCE) -> None:
    for _is_last in poll(seconds, 0.02):
        if condition():
            return
    raise RuntimeError(f"it did not happen: {words}")


def terminate(world: World, crew: Crew) -> None:
    """Sends SIGTERM: each agent must end at its next safe point and hand its session back."""
    for agent in crew.agents:
        if agent.child is not None:
            agent.child.process.send_signal(signal.SIGTERM)
    for agent in crew.agents:
        _must_have_handed_back(world, agent)


def _must_have_handed_back(world: World, agent: AgentProcess) -> None:
    try:
        code = agent.child.process.wait(PATIENCE) if agent.child is not None else None
    except subprocess.TimeoutExpired:
        code = None
    orders = [entry["order"] for entry in agent.entries("ordered")]
    owned = world.sql(OWNED, agent.session_id) != [(0,)]
    if code != 0 or orders != ["HandedBack"] or owned:
        raise RuntimeError(f"no hand-back: exit {code}, {orders}, still owned: {owned}")


def start_again(world: World, crew: Crew) -> None:
    for agent in crew.agents:
        agent.start(world)


def start_seconds(world: World, crew: Crew) -> None:
    """Starts a second process for each session: one waits for the owner, the others take their sessions over."""
    waiting, *others = crew.agents
    waiting.start(world)
    for agent in others:
        agent.start(world, "taking over")
    for agent in others:
        wait(lambda a=agent: bool(a.entries("ordered")), "a take-over")  # type: ignore[misc]
    wait(lambda: bool(waiting.entries("raised")), "a wait for the owner")


def kill_waited_for(_world: World, crew: Crew) -> None:
    waiting = crew.agents[0]
    (first,) = waiting.former
    kill(first)
    wait(lambda: bool(_of(waiting, "attached", waiting.newest)), "an owner after the first")


def _of(agent: AgentProcess, what: str, process: int) -> list[float]:
    return [entry["at"] for entry in agent.entries(what) if entry["process"] == process]


def one_after_the_other(_world: World, crew: Crew) -> list[str]:
    """No write of the first process is acknowledged after the second one has attached."""
    problems = []
    for agent in crew.agents:
        attached = min(_of(agent, "attached", agent.newest))
        firsts = [at for e in agent.former for at in _of(agent, "stored", e.process.pid)]
        if late := sum(at > attached for at in firsts):
            problems.append(f"{late} writes of the first owner were acknowledged after the second")
        if not firsts or not _of(agent, "stored", agent.newest):
            problems.append("one of two owners wrote nothing: nothing is proven")
    return problems


def fork(_world: World, crew: Crew) -> None:
    for agent in crew.agents:
        if agent.child is not None:
            agent.child.process.send_signal(signal.SIGUSR1)
    for agent in crew.agents:
        wait(lambda a=agent: bool(a.entries("forked")), "a fork")  # type: ignore[misc]


def children_had_nothing_of_it(world: World, crew: Crew) -> list[str]:
    problems: list[str] = []
    for agent in crew.agents:
        calls = agent.entries("called")
        problems += [f"{e['how']}: {e['call']}: {e['refused']}" for e in calls if e["refused"]]
        ends = [(entry["how"], entry["code"]) for entry in agent.entries("child")]
        problems += [f"the child of {how} ended with {code}" for how, code in ends if code]
        made = "SELECT count(*) FROM agent_sessions WHERE user_id = %s AND checkpoint_count >= 1"
        if world.sql(made, f"child of {agent.session_id}") != [(2,)]:
            problems.append("a child could not work with a manager of its own")
        if len(agent.entries("attached")) != 1 or agent.entries("ordered"):
            problems.append("the parent did not keep its session")
    return problems


def roll_back_all(world: World, crew: Crew) -> list[str]:
    """Rolls back sessions of agents that wrap errors: after its confirmation none may work until it attaches anew."""
    return asyncio.run(_roll_back(world, crew.ordered))


async def _roll_back(world: World, agents: list[AgentProcess]) -> list[str]:
    async with await SessionManager.connect(world.direct_url, world.valkey_url) as manager:
        problems = []
        for agent in agents:
            before = len(agent.entries("attached"))
            session = await manager.read(agent.session_id)
            if session is None:
                continue
            await manager.rollback(agent.session_id, session.checkpoint_count, actor="chaos")
            problems += await asyncio.to_thread(_obeyed, world, agent, before)
        return problems


def _obeyed(world: World, agent: AgentProcess, before: int) -> list[str]:
    wait(lambda: len(agent.entries("attached")) > before, f"{agent.kind}: a new beginning")
    wait(lambda: world.sql(ORDER, agent.session_id) == [(True,)], f"{agent.kind}: a confirmation")
    [(confirmed_at,)] = world.sql(CONFIRMED_AT, agent.session_id)
    anew = agent.entries("attached")[-1]["at"]
    worked = sum(
        float(str(confirmed_at)) + 0.05 < entry["at"] < anew
        for what in ("try", "work")
        for entry in agent.entries(what)
    )
    return [f"{agent.kind}: confirmed, and went on working {worked} times"] if worked else []


def orders_met(_world: World, crew: Crew) -> list[str]:
    counted = Counter(e["order"] for a in crew.ordered for e in a.entries("ordered"))
    return [] if counted["RolledBack"] == len(crew.ordered) else [f"orders that ended: {counted}"]


ALL = (
    Fault("agents get SIGTERM", terminate, start_again, 1, steady=("handing back", "handing back"), ordered=("handing back",)),
    Fault("a second owner", start_seconds, kill_waited_for, 2, judge=one_after_the_other),
    Fault("agents fork", fork, steady=("forking", "forking"), ordered=("forking",), judge=children_had_nothing_of_it),
    Fault("orders to wrapped calls", nothing, steady=("gathering", "swallowing"), ordered=WRAPPINGS, last=roll_back_all, judge=orders_met),
    Fault("orders to two tasks", nothing, steady=("two tasks",), ordered=("two tasks", "two tasks")),
)  # fmt: skip

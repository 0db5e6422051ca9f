"""The plan of one run, derived from its seed alone: sessions, actors, orders and disturbances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

AGENT_PROCESSES = ("agents-1", "agents-2")
PROCESSES = (*AGENT_PROCESSES, "writers-1", "writers-2", "old-agents", "administrators")
LONGEST_STOP = 10.0  # seconds


@dataclass(frozen=True)
class PlannedOrder:
    """`wait` seconds after the previous order. `twice`: sent again with the same request id."""

    wait: float
    verb: str
    twice: bool = False


@dataclass(frozen=True)
class Actor:
    """`kind` is agent, writer, old or administrator; `session` is the index of its session in the plan."""

    kind: str
    name: str
    process: str
    session: int
    pace: float
    tasks: int = 1
    transitions: bool = False
    orders: tuple[PlannedOrder, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Actor:
        orders = tuple(PlannedOrder(**order) for order in given["orders"])
        return cls(**(given | {"orders": orders}))


@dataclass(frozen=True)
class Disturbance:
    """`kind` is kill, stop, cut, delay or lose. `target` is a process or a server.

    A cut or a delay is between the process and `server`.
    """

    at: float
    kind: str
    target: str
    seconds: float = 0.0
    server: str = ""


@dataclass(frozen=True)
class Plan:
    seed: int
    seconds: float
    sessions: int
    actors: tuple[Actor, ...] = ()
    disturbances: tuple[Disturbance, ...] = field(default=())


Following = dict[str, list[tuple[str, int]]]

# The orders that may follow each verb, including forbidden ones and repetitions.
NEXT: Following = {
    "begin": [("pause", 6), ("edit", 2), ("rollback", 2)],
    "pause": [("resume", 8), ("edit", 3), ("rollback", 1), ("pause", 1), ("complete", 1), ("fail", 1)],
    "resume": [("pause", 8), ("edit", 2), ("rollback", 3), ("fail", 1), ("complete", 1), ("delete", 1)],
    "edit": [("resume", 4), ("pause", 4), ("edit", 1), ("rollback", 2)],
    "rollback": [("pause", 5), ("edit", 2), ("rollback", 3), ("resume", 1), ("fail", 1), ("complete", 1)],
    "fail": [("rollback", 6), ("pause", 1), ("complete", 1), ("fail", 1), ("delete", 1)],
    "complete": [("rollback", 6), ("resume", 1), ("fail", 1), ("delete", 1)],
    "delete": [("restore", 6), ("rollback", 1), ("pause", 1), ("delete", 1)],
    "restore": [("rollback", 5), ("resume", 3), ("pause", 2), ("restore", 1)],
}  # fmt: skip


# Without pauses, so that the agent is working when an order ends its work.
ENDINGS: Following = {
    "begin": [("rollback", 1)],
    "rollback": [("rollback", 6), ("fail", 1), ("complete", 1)],
    "fail": [("rollback", 1)],
    "complete": [("rollback", 1)],
}

# Kinds of sessions; each occurs twice.
PAUSED_OFTEN, ENDED_OFTEN, TWO_TASKS, WRITERS, OLD_AGENTS, EVERYBODY = range(6)
KINDS, TIMES = 6, 2
SESSIONS = range(KINDS * TIMES)


def plan(seed: int, seconds: float) -> Plan:
    """Each session has an attached agent and an administrator; some also have direct writers and old agents."""
    random = Random(seed)  # noqa: S311
    actors = [
        actor
        for session in SESSIONS
        for actor in (
            _agent(random, session),
            _administrator(random, session, seconds),
            *_writers(random, session),
            *_old_agents(random, session),
        )
    ]
    return Plan(seed, seconds, len(SESSIONS), tuple(actors), tuple(_disturbances(random, seconds)))


def _agent(random: Random, session: int) -> Actor:
    process, pace = random.choice(AGENT_PROCESSES), random.uniform(0.02, 0.15)
    tasks = 2 if session % KINDS == TWO_TASKS else 1
    return Actor("agent", f"agent-{session}", process, session, pace, tasks)


def _writers(random: Random, session: int) -> Iterator[Actor]:
    if (kind := session % KINDS) not in (WRITERS, OLD_AGENTS, EVERYBODY):
        return
    for process in ("writers-1", "writers-2"):
        name, pace = f"{process.replace('s-', '-')}-{session}", random.uniform(0.03, 0.2)
        yield Actor("writer", name, process, session, pace, transitions=kind == EVERYBODY)


def _old_agents(random: Random, session: int) -> Iterator[Actor]:
    if session % KINDS in (OLD_AGENTS, EVERYBODY):
        for name in ("a", "b"):
            pace = random.uniform(0.05, 0.4)
            yield Actor("old", f"old-{name}-{session}", "old-agents", session, pace)


def _administrator(random: Random, session: int, seconds: float) -> Actor:
    """Often pauses or rolls back, or gives all orders more slowly; beside old agents, mostly edits."""
    name, kind = f"administrator-{session}", session % KINDS
    pace = 0.25 if kind in (PAUSED_OFTEN, ENDED_OFTEN) else random.uniform(0.4, 1.2)
    if kind == OLD_AGENTS:
        orders = _edits(random, seconds)
    else:
        orders = _orders(random, seconds, pace, ENDINGS if kind == ENDED_OFTEN else NEXT)
    return Actor("administrator", name, "administrators", session, pace, orders=orders)


def _orders(
    random: Random, seconds: float, pace: float, following: Following
) -> tuple[PlannedOrder, ...]:
    made, at, verb = [], 0.0, "begin"
    while at < seconds:
        verbs, weights = zip(*following[verb], strict=True)
        verb = random.choices(verbs, weights)[0]
        wait = random.expovariate(1 / pace)
        made.append(PlannedOrder(wait, verb, twice=random.random() < 0.1))
        at += wait
    return tuple(made)


def _edits(random: Random, seconds: float) -> tuple[PlannedOrder, ...]:
    made, at = [], 0.0
    while at < seconds:
        wait = random.uniform(0.2, 1.5)
        verb = random.choices(["edit", "pause", "resume"], [6, 1, 2])[0]
        made.append(PlannedOrder(wait, verb))
        at += wait
    return tuple(made)


def _disturbances(random: Random, seconds: float) -> list[Disturbance]:
    """About one in two seconds, none in the first and last tenth."""
    made, at = [], seconds * 0.1
    while (at := at + random.expovariate(0.5)) < seconds * 0.9:
        made.append(_disturbance(random, at, seconds))
    return made


def _disturbance(random: Random, at: float, seconds: float) -> Disturbance:
    kind = random.choices(["kill", "stop", "cut", "delay", "lose"], [2, 3, 3, 2, 4])[0]
    longest = min(LONGEST_STOP, (seconds - at) * 0.8)
    lasting = longest * random.random() ** 2
    process = random.choice(PROCESSES)
    match kind:
        case "kill":
            return Disturbance(at, kind, random.choice(AGENT_PROCESSES))
        case "stop":
            stopped = random.choice(
                [*AGENT_PROCESSES, *PROCESSES, *PROCESSES, "postgresql", "valkey"]
            )
            return Disturbance(at, kind, stopped, lasting)
        case "cut":
            server = random.choice(["postgresql", "valkey"])
            return Disturbance(at, kind, process, min(lasting, 4.0), server)
        case "delay":
            return Disturbance(at, kind, process, lasting, "postgresql")
        case _:
            # orders whose announcement is lost arrive late, which is rare without this
            return Disturbance(at, kind, random.choice(["administrators", process]), lasting)

"""One fault: how it begins and ends, who works meanwhile, and which claims are allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tools.chaos.agent_processes import Crew
from tools.chaos.world import World

Act = Callable[[World, Crew], None]
Judge = Callable[[World, Crew], list[str]]  # returns problems

GRACE = 6.0  # seconds for which a page may still claim to be live


def nothing(_world: World, _crew: Crew) -> None:
    """For faults that need no end."""


def no_problem(_world: World, _crew: Crew) -> list[str]:
    return []


def no_note(_world: World) -> str:
    return ""


@dataclass(frozen=True)
class Fault:
    """`away` is unreachable during the fault, and `unwell` is what /healthz must not call ok.

    `at_most` bounds the recovery. `steady` and `ordered` are the kinds of the agents; `last` runs
    while they still write, `judge` afterwards.
    """

    name: str
    begin: Act
    end: Act = nothing
    seconds: float = 0.0
    away: str = ""
    unwell: str = ""
    world: str = "plain"
    at_most: float = 20.0
    grace: float = GRACE
    note: Callable[[World], str] = no_note
    steady: tuple[str, ...] = ("plain", "plain")
    ordered: tuple[str, ...] = ("plain",)
    last: Judge = no_problem
    judge: Judge = no_problem

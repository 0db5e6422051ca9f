"""The quickest faults; `make chaos` has all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tools.chaos.drill import Drill, DrillResult
from tools.chaos.faults import BY_NAME
from tools.chaos.world import World

QUICK = {
    "Valkey restarted": 0.0,
    "PostgreSQL killed": 1.0,
    "agents killed": 0.5,
    "answers of commits lost": 2.0,
    "a second owner": 0.0,
    "orders to two tasks": 0.0,
}


@pytest.fixture
def world() -> Iterator[World]:
    with World(wired=True) as world:
        yield world


async def test_the_quickest_outages_lose_nothing_double_nothing_and_claim_nothing(
    world: World,
) -> None:
    for name, seconds in QUICK.items():
        result = await Drill(world, replace(BY_NAME[name], seconds=seconds)).run()
        assert result.holds, explained(result)
        assert result.writes.acknowledged > 20, explained(result)
    assert world.wire is not None
    assert world.wire.cuts > 3, "hardly an answer was lost"


def explained(result: DrillResult) -> str:
    return f"{result}"

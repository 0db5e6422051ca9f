"""`python -m tools.chaos [--only FAULT …]`: outages and kills on servers and processes of its own; prints one table."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from tools.chaos import disk, report, standby
from tools.chaos.drill import Drill, DrillResult
from tools.chaos.fault import Fault
from tools.chaos.faults import BY_NAME
from tools.chaos.supervised_environment import ServedWorld
from tools.chaos.world import World

AT_MOST = 90  # seconds for one fault, including its recovery


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=list(BY_NAME), metavar="FAULT", help=", ".join(BY_NAME)
    )
    return parser.parse_args(argv)


@contextmanager
def world_for(kind: str) -> Iterator[World]:
    match kind:
        case "small disk":
            with disk.small_folder() as folder, ServedWorld(folder) as world:
                yield world
        case "standby":
            with World(wired=True) as world:
                standby.add(world)
                yield world
        case _:
            with World(wired=kind == "wired") as world:
                yield world


async def drill(world: World, fault: Fault) -> DrillResult:
    async with asyncio.timeout(AT_MOST):
        return await Drill(world, fault).run()


def run(faults: list[Fault], console: Console) -> list[DrillResult]:
    """Runs the faults one after the other. A world is reused while each fault leaves it intact."""
    results: list[DrillResult] = []
    waiting = list(faults)
    while waiting:
        kind = waiting[0].world
        console.print(f"[dim]setting up: {kind}[/]")
        with world_for(kind) as world:
            while waiting and waiting[0].world == kind:
                results.append(asyncio.run(judged(world, waiting.pop(0))))
                console.print(report.line(results[-1]))
                if results[-1].problems:
                    console.print(world.web_log()[-1500:], markup=False, style="dim")
                    break
    return results


async def judged(world: World, fault: Fault) -> DrillResult:
    try:
        return await drill(world, fault)
    except Exception as error:
        return DrillResult.of_no_drill(fault, f"{type(error).__name__}: {error}"[:500])


def main(argv: list[str]) -> int:
    options = arguments(argv)
    console = Console(width=None if sys.stdout.isatty() else 200)
    faults = [BY_NAME[name] for name in options.only or BY_NAME]
    results = run(faults, console)
    report.show(console, results)
    return 0 if len(results) == len(faults) and all(r.holds for r in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

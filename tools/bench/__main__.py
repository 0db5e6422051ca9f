"""`python -m tools.bench [--only ROW …] [--pairs N] [--runs N] [--write]`: measure, print one table, keep it in docs/performance.md."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from rich.console import Console

from tools.bench import report
from tools.bench.comparison import ComparisonResult, NotRight, compare, folded, missing
from tools.bench.rows import ROWS
from tools.bench.stage import Stage, stage

SETTINGS = ("BENCH_SCALE", "BENCH_SECONDS")


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=list(ROWS), metavar="ROW", help=", ".join(ROWS)
    )
    parser.add_argument("--pairs", type=int, default=5, help="of interleaved runs, 5 by default")
    parser.add_argument("--runs", type=int, default=1, help="of everything, one after the other")
    parser.add_argument(
        "--write", action="store_true", help="keep the figures of a partial run too"
    )
    return parser.parse_args(argv)


def command(argv: list[str]) -> str:
    """The command line that repeats this run, environment variables included."""
    known = [f"{name}={os.environ[name]}" for name in SETTINGS if name in os.environ]
    return " ".join([*known, "python -m tools.bench", *argv])


async def measure(
    ready: Stage, names: list[str], pairs: int, console: Console
) -> list[ComparisonResult]:
    results: list[ComparisonResult] = []
    for name in names:
        async for comparison in ROWS[name](ready):
            try:
                with console.status(f"{name}: {comparison.work}"):
                    found = await compare(name, comparison, pairs)
            except NotRight as error:
                console.print(f"[red]{name}: {comparison.work}: not right: {error}", soft_wrap=True)
                found = missing(name, comparison)
            for result in found:
                console.print("  ".join(report.cells(result)), soft_wrap=True)
            results += found
    return results


def main(argv: list[str]) -> int:
    options, console = arguments(argv), Console(width=None if sys.stdout.isatty() else 170)
    names = options.only or list(ROWS)
    runs: list[list[ComparisonResult]] = []
    with stage() as ready:
        facts = ready.facts()
        for _ in range(options.runs):
            runs.append(asyncio.run(measure(ready, names, options.pairs, console)))
            results = [folded(each) for each in zip(*runs, strict=True)]
            report.show(console, results, facts)
            if options.write or not options.only:
                report.write(results, facts, command(argv))
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

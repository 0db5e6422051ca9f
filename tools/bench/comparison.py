"""Two interleaved variants, and the ratio of their medians."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from statistics import median

Measured = Mapping[str, float]
Arm = Callable[[], Awaitable[Measured]]


class NotRight(Exception):
    """An arm finished, but its result is wrong: data is missing, or pages differ from it."""


@dataclass(frozen=True)
class Bar:
    """The bound of the ratio ours / peer; without a peer, of the figure itself."""

    figure: str
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    @property
    def text(self) -> str:
        if self.at_least is not None:
            return f"≥ {_number(self.at_least)}"
        return f"≤ {_number(self.at_most)}" if self.at_most is not None else "—"


def _number(value: float) -> str:
    return f"1/{1 / value:,.0f}" if value < 0.05 else f"{value:,.10g}"


@dataclass(frozen=True)
class Comparison:
    """Arms that run once a pair in alternating order; with `warm` each runs once before. `theirs` is optional.

    An arm must finish all its work before it returns.
    """

    work: str
    peer: str
    ours: Arm
    theirs: Arm | None
    bars: tuple[Bar, ...]
    warm: bool = True
    pairs: int | None = None


@dataclass
class ComparisonResult:
    row: str
    work: str
    peer: str
    bar: Bar
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    right: bool = True
    runs: list[float] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The median of the pairs' ratios, because a disturbance affects both arms of a pair.

        With several runs, the median of theirs.
        """
        if self.runs:
            return median(self.runs)
        if not self.ours:
            return nan
        if not self.theirs:
            return median(self.ours)
        return median(
            o / t if t else float("inf") for o, t in zip(self.ours, self.theirs, strict=True)
        )

    @property
    def holds(self) -> bool:
        return self.right and self.bar.holds(self.value)

    @property
    def held(self) -> int:
        """The number of runs in which the bar held."""
        return sum(self.bar.holds(value) for value in self.runs)


async def compare(row: str, comparison: Comparison, pairs: int) -> list[ComparisonResult]:
    results = [
        ComparisonResult(row, comparison.work, comparison.peer, bar) for bar in comparison.bars
    ]
    if comparison.warm:
        await comparison.ours()
        if comparison.theirs is not None:
            await comparison.theirs()
    for pair in range(comparison.pairs or pairs):
        ours, theirs = await _pair(comparison, ours_first=pair % 2 == 0)
        for result in results:
            result.ours.append(ours[result.bar.figure])
            if theirs is not None:
                result.theirs.append(theirs[result.bar.figure])
    return results


def folded(runs: Sequence[ComparisonResult]) -> ComparisonResult:
    """Combines runs of the same measurement: medians of each run's medians."""
    right = [run for run in runs if run.right]
    first = runs[0]
    return replace(
        first,
        ours=[median(run.ours) for run in right],
        theirs=[median(run.theirs) for run in right if run.theirs],
        right=len(right) == len(runs),
        runs=[run.value for run in right],
    )


def missing(row: str, comparison: Comparison) -> list[ComparisonResult]:
    """Results of an incorrect comparison: without figures, and with no bar held."""
    return [
        ComparisonResult(row, comparison.work, comparison.peer, bar, right=False)
        for bar in comparison.bars
    ]


async def _pair(comparison: Comparison, *, ours_first: bool) -> tuple[Measured, Measured | None]:
    if comparison.theirs is None:
        return await _once(comparison.ours), None
    if ours_first:
        ours = await _once(comparison.ours)
        return ours, await _once(comparison.theirs)
    theirs = await _once(comparison.theirs)
    return await _once(comparison.ours), theirs


async def _once(arm: Arm) -> Measured:
    gc.collect()
    return await arm()

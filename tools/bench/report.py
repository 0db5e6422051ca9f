"""The table: on the screen, and in docs/performance.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tools.bench.comparison import ComparisonResult

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEADINGS = ("row", "work", "beside", "ours", "peer", "ratio", "bar", "")


def number(value: float) -> str:
    if value == 0 or value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:,.3g}"


def ratio(result: ComparisonResult) -> str:
    if not result.theirs:
        return "—"
    if result.bar.at_most is not None and result.value < 0.1:
        return f"1/{1 / result.value:,.0f}"
    return f"{result.value:,.2f} ×"


def cells(result: ComparisonResult) -> list[str]:
    ours = f"{number(median(result.ours))} {result.bar.unit}" if result.right else "not right"
    theirs = number(median(result.theirs)) if result.theirs else "—"
    judged = "" if result.right and result.bar.text == "—" else "✓" if result.holds else "✗"
    if judged and len(result.runs) > 1:
        judged += f" {result.held} of {len(result.runs)}"
    return [
        *(result.row, result.work, result.peer or "—", ours, theirs),
        *(ratio(result), result.bar.text, judged),
    ]


def show(console: Console, results: Iterable[ComparisonResult], facts: Sequence[str]) -> None:
    table = Table(*HEADINGS, caption="\n".join(facts), caption_justify="left")
    for result in results:
        style = "" if result.holds else "yellow"
        table.add_row(*cells(result), style=style)
    console.print(table)


def write(results: Sequence[ComparisonResult], facts: Sequence[str], command: str) -> None:
    """Replaces all rows after a full run, and only the measured ones after a partial run.

    The commands of all rows in the table stand above it, the newest last.
    """
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    measured = {result.row for result in results}
    kept = [line for line in old.splitlines() if _row(line) not in measured | {None, HEADINGS[0]}]
    lines = [*kept, *(f"| {' | '.join(cells(result))} |" for result in results)]
    order = list(dict.fromkeys(_order() + [str(_row(line)) for line in lines]))
    lines.sort(key=lambda line: order.index(str(_row(line))))
    block = [
        *(BEGIN, ""),
        *_still_standing(old.splitlines(), measured),
        f"`{command}`, {datetime.now(UTC).date()}  ",
        *(f"{fact}  " for fact in facts),
        *("", f"| {' | '.join(HEADINGS)} |", f"|{' --- |' * len(HEADINGS)}", *lines, "", END),
    ]
    PAGE.write_text(before + "\n".join(block) + after)


def _still_standing(lines: Sequence[str], measured: set[str]) -> list[str]:
    """The commands that still have a figure in the table."""
    since, standing = set(measured), []
    for line in reversed(lines):
        if _rows_of(line) - since:
            standing.append(line)
        since |= _rows_of(line)
    return standing[::-1]


def _rows_of(line: str) -> set[str]:
    """The rows of a line that holds a command."""
    if not line.startswith("`"):
        return set()
    return set(line.split("`")[1].split()).intersection(_order()) or set(_order())


def _row(line: str) -> str | None:
    found = re.match(r"\| ([a-z-]+) \|", line)
    return found[1] if found and set(found[1]) != {"-"} else None


def _order() -> list[str]:
    from tools.bench.rows import ROWS

    return list(ROWS)

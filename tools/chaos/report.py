"""The table of results."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table

from tools.chaos.drill import NEVER, DrillResult

COLUMNS = (
    "fault", "lasted", "writes attempted", "writes acknowledged", "acknowledged writes lost",
    "written twice", "wrong claims shown", "seconds to recover", "the agents' calls raised", "what the page said",
)  # fmt: skip


def line(result: DrillResult) -> str:
    mark = "[green]✓[/]" if result.holds else "[red]✗[/]"
    recovery = "never" if result.recovery == NEVER else f"{result.recovery:.1f} s"
    return f"{mark} {result.fault}: right again after {recovery}"


def show(console: Console, results: list[DrillResult]) -> None:
    table = Table()
    for i, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if 1 <= i <= 7 else "left")
    for result in results:
        table.add_row(*cells(result))
    console.print(table)
    for result in results:
        for words, n in Counter(result.wrong + result.problems).items():
            console.print(f"[red]{result.fault}: {words} ({n}×)[/]")


def cells(result: DrillResult) -> list[str]:
    writes = result.writes
    return [
        f"{result.fault}\n[dim]{result.note}[/]" if result.note else result.fault,
        f"{result.seconds:.1f} s",
        str(writes.attempted),
        str(writes.acknowledged),
        bar(writes.lost),
        bar(writes.twice),
        bar(len(result.wrong)),
        timing(result),
        raised(result.raised),
        "; ".join([*result.said, answers(result.answers)]),
    ]


def bar(n: int) -> str:
    return f"[green]{n}[/]" if n == 0 else f"[bold red]{n}[/]"


def timing(result: DrillResult) -> str:
    text = "never" if result.recovery == NEVER else f"{result.recovery:.1f}"
    colour = "green" if result.recovery <= result.at_most else "bold red"
    return f"[{colour}]{text}[/]"


def raised(errors: dict[str, int]) -> str:
    """Each kind of error once; the texts differ by time and address."""
    kinds: Counter[str] = Counter()
    for words, n in errors.items():
        kinds[words.partition(":")[0]] += n
    return ", ".join(f"{n}× {kind}" for kind, n in kinds.most_common()) or "nothing"


def answers(found: Counter[str]) -> str:
    return ", ".join(f"{words} ({n}×)" for words, n in sorted(found.items()))

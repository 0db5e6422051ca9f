"""Each acknowledged checkpoint is stored once, in order, and in the epoch in which it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tools.stress.call_log import Call
from tools.stress.stored_state import StressRecord
from tools.stress.violations import Findings


def lost(record: StressRecord, calls: Sequence[Call]) -> Findings:
    stored = {checkpoint.token for checkpoint in record.checkpoints}
    for call in calls:
        missing = [t for t in call.facts.get("tokens", ()) if t not in stored]
        if call.acknowledged and missing:
            yield (
                f"{call.name} of {call.who} returned, but checkpoint {missing[0]!r} is not stored",
                [call],
            )


def refused_but_stored(record: StressRecord, calls: Sequence[Call]) -> Findings:
    stored = {checkpoint.token for checkpoint in record.checkpoints}
    for call in calls:
        there = [t for t in call.facts.get("tokens", ()) if t in stored]
        if call.refused and there:
            yield (
                f"{call.name} of {call.who} raised {call.error}, but {there[0]!r} is stored",
                [call],
            )


def double(record: StressRecord, calls: Sequence[Call]) -> Findings:
    counted = Counter(c.token for c in record.checkpoints if c.token is not None)
    for token, n in counted.items():
        if n > 1:
            yield f"checkpoint {token!r} is stored {n} times", _of(token, calls)


def out_of_order(record: StressRecord, calls: Sequence[Call]) -> Findings:
    """Acknowledged checkpoints of a writer whose numbers do not increase."""
    numbers = {c.token: c.n for c in record.checkpoints}
    newest: dict[Any, tuple[int, str]] = {}
    for call in calls:
        writer = call.who, call.facts.get("path")
        for token in call.facts.get("tokens", ()) if call.acknowledged else ():
            n, before = numbers.get(token, 0), newest.get(writer, (0, ""))
            if n and n < before[0]:
                says = f"checkpoint {token!r} has number {n}, but {before[1]!r} before it has {before[0]}"
                yield says, _of(token, calls)
            newest[writer] = max(before, (n, token))


def of_an_old_epoch(record: StressRecord, calls: Sequence[Call]) -> Findings:
    versions = {c.token: c.version for c in record.checkpoints}
    for call in calls:
        epoch = call.facts.get("epoch")
        for token in call.facts.get("tokens", ()) if epoch is not None else ():
            entry = record.entry(versions.get(token, 0))
            if entry is not None and entry.epoch != epoch:
                yield (
                    (
                        f"checkpoint {token!r} was made in epoch {epoch} and stored in epoch"
                        f" {entry.epoch}, as version {entry.version}"
                    ),
                    [call],
                )


def _of(token: str, calls: Sequence[Call]) -> list[Call]:
    return [call for call in calls if token in call.facts.get("tokens", ())]

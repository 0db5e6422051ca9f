"""The history explains the row, and has no forbidden or unrequested transition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from agent_sessions import TRANSITIONS
from tools.stress.call_log import Call
from tools.stress.stored_state import RecordedEntry, StressRecord
from tools.stress.violations import Findings

ROUNDING = 0.05  # seconds; the machine's clock may be adjusted during a run
BY_AGENTS = {
    (str(was), str(becomes))
    for verb in ("pause", "resume", "complete", "fail", "delete")
    for was, becomes in TRANSITIONS[verb].items()
}


def gaps(record: StressRecord, calls: Sequence[Call]) -> Findings:
    """One entry a version, each continuing the one before, the last equal to the row."""
    row, history = record.row, record.history
    versions = [entry.version for entry in history]
    if versions != list(range(1, row["version"] + 1)):
        wrong = sorted(set(range(1, row["version"] + 1)) ^ set(versions))
        yield f"the history has not one entry for each version: {wrong[:5] or 'some twice'}", []
    for before, entry in pairwise(history):
        if entry.from_state != before.to_state or entry.epoch - before.epoch not in (0, 1):
            yield f"version {entry.version} does not begin where version {before.version} ended", []
    last = history[-1]
    if (last.to_state, last.epoch) != (row["state"], row["epoch"]):
        yield f"the history ends {last.to_state} in epoch {last.epoch}, the row does not", []
    numbers = [checkpoint.n for checkpoint in record.checkpoints]
    if numbers != list(range(1, row["checkpoint_count"] + 1)):
        yield f"the row counts {row['checkpoint_count']} checkpoints, {len(numbers)} are stored", []
    if any(record.entry(version) is None for version in record.contexts):
        yield "there is a context of a version that the history does not know", []


def stored_twice(record: StressRecord, calls: Sequence[Call]) -> Findings:
    counted = Counter(entry.change_id for entry in record.history if entry.change_id)
    for change_id, n in counted.items():
        if n > 1:
            versions = [e.version for e in record.history if e.change_id == change_id]
            yield f"one write is stored as {n} versions: {versions}", []


def forbidden(record: StressRecord, calls: Sequence[Call]) -> Findings:
    for entry in record.history[1:]:
        if not _may_be(entry):
            by = entry.verb or entry.kind
            yield f"version {entry.version}: {entry.from_state} became {entry.to_state} by {by}", []


def _may_be(entry: RecordedEntry) -> bool:
    was, becomes = entry.from_state, entry.to_state
    if entry.kind != "order":
        return was == becomes or (was, becomes) in BY_AGENTS
    if entry.verb == "restore":
        return was == "deleted" != becomes
    table = {str(a): str(b) for a, b in TRANSITIONS.get(entry.verb or "", {}).items()}
    return table.get(was or "") == becomes


def by_agents(record: StressRecord) -> list[RecordedEntry]:
    """Transitions that are not orders."""
    return [e for e in record.history[1:] if e.kind != "order" and e.from_state != e.to_state]


def asking(entry: RecordedEntry, calls: Sequence[Call]) -> list[Call]:
    """Calls that requested this state while the transition was stored."""
    return [
        call
        for call in calls
        if call.facts.get("state") == entry.to_state
        and (call.name == "upsert") == (entry.source == "old-agent")
        and call.start - ROUNDING <= entry.at <= call.until + ROUNDING
    ]


def during(entry: RecordedEntry, calls: Sequence[Call]) -> list[Call]:
    """The writes that ran at that time."""
    return [
        call
        for call in calls
        if "wants" in call.facts and call.start <= entry.at <= min(call.end, call.start + 60)
    ]


def unasked(record: StressRecord, calls: Sequence[Call]) -> Findings:
    for entry in by_agents(record):
        if entry.to_state != "failed" and not asking(entry, calls):
            yield (
                (
                    f"version {entry.version}: {entry.from_state} became {entry.to_state}"
                    f" by {entry.source}, and no call asked for it"
                ),
                during(entry, calls),
            )


def failed_by_the_library(record: StressRecord, calls: Sequence[Call]) -> Findings:
    """No actor of the plan fails its own session, so every `failed` comes from the library."""
    for entry in by_agents(record):
        if entry.to_state == "failed" and not asking(entry, calls):
            left = [c for c in calls if c.name == "attach" and 0 <= c.end - entry.at < 2]
            why = f": {left[0].error}: {left[0].says}" if left else ""
            yield f"version {entry.version}: a healthy agent's session was failed{why}", left

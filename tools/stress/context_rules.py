"""Each change of a context was requested, each acknowledged one took effect, each copy is correct."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tools.stress.call_log import Call
from tools.stress.history_rules import ROUNDING
from tools.stress.stored_state import RecordedEntry, StressRecord
from tools.stress.violations import Findings

RUN_CALLS = ("entered", "checkpoint", "save", "safe_point", "complete")


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Each changed key with its new value, None if removed. Actors write flat contexts."""
    keys = dict.fromkeys((*before, *after))
    return {key: after.get(key) for key in keys if before.get(key) != after.get(key)}


def wrong_copies(record: StressRecord, calls: Sequence[Call]) -> Findings:
    """Returned copies that differ from the record at their version."""
    for call in calls:
        if call.copy is not None and (what := _wrong(record, call.copy, _newer(record, call))):
            yield (
                f"{call.name} of {call.who} returned a copy of version {call.copy['version']} {what}",
                [call],
            )


def wrong_copy_in_valkey(record: StressRecord, calls: Sequence[Call]) -> Findings:
    copy = record.valkey
    if copy is not None and "version" in copy and (what := _wrong(record, copy, [])):
        yield f"Valkey keeps a copy of version {copy['version']} {what}", []


def _newer(record: StressRecord, call: Call) -> list[RecordedEntry] | None:
    """Later entries that may have set the copy's state; None if any may have.

    A copy has the version of its context. A write of checkpoints alone updates state and order to
    the time of the write, and leaves the context with its version unchanged.
    """
    if call.name in RUN_CALLS:  # a run's session follows the order it obeys before it is read again
        return None
    stored = [c.version for c in record.checkpoints if c.token in call.facts.get("tokens", ())]
    if call.name != "update_session" or not stored or call.facts.get("wants"):
        return []
    return [
        entry
        for entry in record.history
        if entry.version >= max(stored) and entry.at <= call.end + ROUNDING
    ]


def _wrong(
    record: StressRecord, copy: dict[str, Any], newer: Sequence[RecordedEntry] | None
) -> str | None:
    entry = record.entry(copy["version"])
    if entry is None:
        return "that never was"
    context = record.context_at(entry.version)
    if copy["context"] != context:
        keys = ", ".join(differences(context or {}, copy["context"]))
        return f"whose context is not of that version: {keys}"
    states = {(e.to_state, e.epoch) for e in (entry, *(newer or ()))}
    if newer is not None and (copy["state"], copy["epoch"]) not in states:
        return f"that says {copy['state']}, epoch {copy['epoch']}: it was {entry.to_state}, {entry.epoch}"
    return None


def unasked(record: StressRecord, calls: Sequence[Call]) -> Findings:
    """Changes that no call requested at that time. A rollback may change everything."""
    asked = _asked(calls)
    for entry, before, after in _written(record):
        for key, value in differences(before, after).items():
            if not any(_is_within(entry, call, value, key) for call in asked[key]):
                what = "removed" if value is None else f"set to {value!r}"
                yield (
                    (
                        f"version {entry.version} ({entry.kind} by {entry.source}): {key!r} was {what},"
                        f" after {before.get(key)!r}, and no call asked for it"
                    ),
                    _under_way(entry, calls),
                )


def _written(record: StressRecord) -> list[tuple[RecordedEntry, dict[str, Any], dict[str, Any]]]:
    """The changes except rollbacks."""
    return [change for change in record.changes() if change[0].verb != "rollback"]


def _asked(calls: Sequence[Call]) -> defaultdict[str, list[Call]]:
    asked: defaultdict[str, list[Call]] = defaultdict(list)
    for call in calls:
        for key in call.facts.get("wants", ()):
            asked[key].append(call)
    return asked


def _is_within(entry: RecordedEntry, call: Call, value: Any, key: str) -> bool:
    if call.facts["wants"].get(key) != value:
        return False
    stored_as = call.copy["version"] if call.copy is not None else None
    during = call.start - ROUNDING <= entry.at <= call.until + ROUNDING
    return during or stored_as == entry.version


def _under_way(entry: RecordedEntry, calls: Sequence[Call]) -> list[Call]:
    """Acknowledged writes that ran at that time, which explain most violations."""
    return [
        c for c in calls if "wants" in c.facts and c.acknowledged and c.start <= entry.at <= c.end
    ]


def lost(record: StressRecord, calls: Sequence[Call]) -> Findings:
    """Acknowledged changes that were in effect at no time during their call or its first try."""
    begun: dict[tuple[str, str, Any], float] = {}
    for call in calls:
        wants = call.facts.get("wants", {})
        changed: dict[str, Any] = call.facts.get("changed", wants)
        for key, value in changed.items():
            known = (call.who, key, str(value) if call.name != "upsert" else call.id)
            since = begun.setdefault(known, call.start)
            if not call.acknowledged or _took_effect(record, key, value, since, call.end):
                continue
            if call.name == "upsert" and _was_refused(record, call):
                continue
            what = "removed" if value is None else f"set to {value!r}"
            yield f"{call.name} of {call.who} returned, but {key!r} was never {what}", [call]


def _took_effect(record: StressRecord, key: str, value: Any, since: float, until: float) -> bool:
    versions = sorted(record.contexts)
    for i, version in enumerate(versions):
        entry = record.entry(version)
        later = record.entry(versions[i + 1]) if i + 1 < len(versions) else None
        if entry is None or record.contexts[version].get(key) != value:
            continue
        replaced = later.at if later is not None else float("inf")
        if entry.at <= until + ROUNDING and replaced >= since - ROUNDING:
            return True
    return False


def _was_refused(record: StressRecord, call: Call) -> bool:
    """Whether a refusal or an end was the newest entry during the call. Repeated refusals share one entry."""
    entries = record.history
    for i, entry in enumerate(entries):
        replaced = entries[i + 1].at if i + 1 < len(entries) else float("inf")
        in_force = entry.at <= call.end + ROUNDING and replaced >= call.start - ROUNDING
        if in_force and (entry.refused or entry.to_state not in ("active", "paused")):
            return True
    return False


def overwritten(record: StressRecord, calls: Sequence[Call]) -> Findings:
    """Writes to a shared key that replaced a value which the writer had not seen."""
    seeing = [call for call in calls if call.facts.get("seen")]
    for entry, before, after in _written(record):
        for key, value in differences(before, after).items():
            for call in seeing:
                seen = call.facts["seen"]
                if key not in seen or not _is_within(entry, call, value, key):
                    continue
                if seen[key] != before.get(key):
                    says = (
                        f"version {entry.version}: {key!r} was {before.get(key)!r}, and {call.who},"
                        f" who had seen {seen[key]!r}, replaced it by {value!r}"
                    )
                    yield says, [call]

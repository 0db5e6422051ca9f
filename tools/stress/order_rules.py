"""Orders take effect once, are undone only by later ones, and are acknowledged only when obeyed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agent_sessions import TRANSITIONS
from tools.stress.call_log import Call
from tools.stress.history_rules import asking, by_agents
from tools.stress.stored_state import RecordedEntry, StressRecord
from tools.stress.violations import Findings

LIVE = ("active", "paused")


def not_given(record: StressRecord, calls: Sequence[Call]) -> Findings:
    given = {call.facts.get("request") for call in calls}
    for entry in record.history:
        if entry.kind == "order" and entry.change_id not in given:
            yield (
                f"version {entry.version}: {entry.verb} by {entry.actor}, who did not order it",
                [],
            )


def lost(record: StressRecord, calls: Sequence[Call]) -> Findings:
    """An acknowledged order has one entry, or none if the session was in that state already."""
    stored = Counter(entry.change_id for entry in record.history)
    for call in calls:
        verb = call.facts.get("order")
        if verb is None or not call.acknowledged or stored[call.facts["request"]]:
            continue
        results = {str(state) for state in TRANSITIONS.get(verb, {}).values()}
        was_so = verb not in ("rollback", "restore") and call.copy and call.copy["state"] in results
        if not was_so:
            yield f"{verb} of {call.who} returned, but the history does not have it", [call]


def undone(record: StressRecord, calls: Sequence[Call]) -> Findings:
    """Transitions of agents against an order that they had not seen."""
    for entry in by_agents(record):
        before = [e for e in record.history if e.kind == "order" and e.version < entry.version]
        asked = asking(entry, calls)
        if not before or entry.to_state not in LIVE or not asked:
            continue
        order = before[-1]
        if all(call.facts.get("order_seen", order.version) < order.version for call in asked):
            yield (
                (
                    f"version {entry.version}: {entry.from_state} became {entry.to_state} by a caller"
                    f" that had not seen {order.verb} of version {order.version}"
                ),
                asked,
            )


def not_met(record: StressRecord, calls: Sequence[Call]) -> Findings:
    """Steps after an acknowledged order: of any run until a pause ends, after other orders of a run that they end."""
    steps = [call for call in calls if call.name == "step"]
    for i, entry in enumerate(record.history):
        order = _newest_order(record, i)
        if entry.kind != "acknowledged" or order is None or entry.order_version != order.version:
            continue
        if order.to_state == "paused":
            until = next((e.at for e in record.history[i:] if e.to_state != "paused"), float("inf"))
            working = [s for s in steps if s.start < until and _end(s) > entry.at]
            words = "paused"
        else:
            working = [s for s in steps if s.start > entry.at and _is_fenced(s, entry)]
            words = f"{order.to_state} in epoch {entry.epoch}"
        if working:
            shared = " one of two tasks in" if working[0].facts["tasks"] > 1 else ""
            yield (
                (
                    f"version {entry.version} acknowledges order {entry.order_version} ({words}), and"
                    f"{shared} the run of {working[0].who} went on with {len(working)} steps"
                ),
                working,
            )


def _newest_order(record: StressRecord, i: int) -> RecordedEntry | None:
    """The newest order before entry `i`; a later entry of a writer may have another state than the order."""
    orders = (e for e in reversed(record.history[:i]) if e.kind == "order")
    return next(orders, None)


def _end(step: Call) -> float:
    """The end of the step; of a step whose process was killed only the start is known."""
    return step.start if step.end == float("inf") else step.end


def _is_fenced(step: Call, entry: RecordedEntry) -> bool:
    alone: bool = step.facts["tasks"] == 1
    return alone and step.facts["epoch"] < entry.epoch

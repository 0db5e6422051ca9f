"""Calls raise only the library's errors, and `attach` only documented ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tools.stress.call_log import Call
from tools.stress.stored_state import StressRecord
from tools.stress.violations import Findings

NOT_OURS = ("upsert",)  # SQL of the old agent itself
MAY_LEAVE_ATTACH = {
    *("RolledBack", "Failed", "Completed", "Deleted", "TakenOver", "SessionOwned"),
    *("StorageUnavailable", "SessionNotFound", "CancelledError"),
}


def foreign(record: StressRecord | None, calls: Sequence[Call]) -> Findings:
    """Errors of psycopg, redis, asyncio or Python, and managers that could not be closed."""
    found: defaultdict[tuple[str, str, str], list[Call]] = defaultdict(list)
    for call in calls:
        stuck = call.name == "close" and call.error == "CancelledError"
        ours = call.error is None or call.is_session_error or call.name in NOT_OURS
        if stuck or (not ours and call.error != "CancelledError"):
            found[call.who, call.error or "", call.says].append(call)
    for (who, error, says), concerned in found.items():
        yield f"{error} left the library, in {concerned[0].name} of {who}: {says}", concerned


def left_attach(record: StressRecord, calls: Sequence[Call]) -> Findings:
    for call in calls:
        if call.name != "attach" or call.error is None or not call.is_session_error:
            continue
        if call.error not in MAY_LEAVE_ATTACH:
            near = [c for c in calls if c.who == call.who and 0 <= call.end - c.end < 0.5]
            yield f"{call.error} left the block of {call.who}: {call.says}", near

"""Data of the chart above the list: history entries and received heartbeats in slots of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection

from agent_sessions import SessionError

from .. import manager_portal
from ..choices import STATES, Text
from ..permissions import Access

BEAT_SLOT = 10
# minutes shown -> seconds a slot; both are multiples of the ten seconds that are stored
WINDOWS = {5: 10, 15: 20, 60: 60, 1440: 900}
GROUPINGS = ("state", "type")
MOST_TYPES = 12

# Folded slots, and entries newer than the newest of them, so that nothing counts twice.
QUERY = """
WITH folded AS (SELECT max(slot) + interval '10 seconds' AS until FROM agent_session_activity)
SELECT slot, agent_type, state, n FROM agent_session_activity WHERE slot >= %(since)s
UNION ALL
SELECT slot, agent_type, state, n FROM agent_session_activity_since(
    greatest(%(since)s, (SELECT until FROM folded)), now() + interval '1 hour')
"""

ActivityCount = tuple[datetime, str, str, int]


@dataclass(frozen=True, slots=True)
class Series:
    key: str
    label: Text
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Chart:
    """`slots` are their starts in seconds since the epoch.

    `beats` is None while Valkey is unavailable and for a limited caller, and None in slots that it
    has not counted whole.
    """

    slots: Sequence[int]
    series: Sequence[Series]
    beats: Sequence[int | None] | None


def chart(minutes: int, grouping: str, now: datetime, access: Access) -> Chart:
    """History entries of the agent types that the caller sees.

    Heartbeats are not counted by agent type, so a limited caller gets none.
    """
    step = WINDOWS[minutes]
    last = int(now.timestamp()) // step * step
    slots = list(range(last - minutes * 60 + step, last + step, step))
    entries = [e for e in _entries(datetime.fromtimestamp(slots[0], UTC)) if access.allows(e[1])]
    beats = _beats(slots, step) if access.types is None else None
    return Chart(slots, _series(entries, slots, step, grouping), beats)


def _entries(since: datetime) -> list[ActivityCount]:
    with connection.cursor() as cursor:
        cursor.execute(QUERY, {"since": since})
        entries: list[ActivityCount] = cursor.fetchall()
        return entries


def _series(
    entries: Iterable[ActivityCount], slots: Sequence[int], step: int, grouping: str
) -> list[Series]:
    counted: dict[str, list[int]] = defaultdict(lambda: [0] * len(slots))
    for at, agent_type, state, n in entries:
        place = (int(at.timestamp()) - slots[0]) // step
        if 0 <= place < len(slots):
            counted[state if grouping == "state" else agent_type][place] += n
    if grouping == "state":
        return [Series(key, STATES[key].word, counted[key]) for key in STATES if key in counted]
    return _busiest(counted)


def _busiest(counted: Mapping[str, list[int]]) -> list[Series]:
    """The busiest agent types: more than a dozen colours cannot be distinguished."""
    names = sorted(counted, key=lambda name: (-sum(counted[name]), name))[:MOST_TYPES]
    return [Series(name, name, counted[name]) for name in sorted(names)]


def _beats(slots: Sequence[int], step: int) -> list[int | None] | None:
    asked = list(range(slots[0], slots[-1] + step, BEAT_SLOT))
    try:
        counts = manager_portal.call(lambda manager: manager.count_beats(asked))
    except SessionError:
        return None
    if counts is None:
        return None
    each = step // BEAT_SLOT
    return [_sum(counts[i : i + each]) for i in range(0, len(counts), each)]


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total

"""How much of a silence was observed. Times are seconds since the epoch by the database's clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sessions_app.watchdog.outages import Outage


class Moment(NamedTuple):
    """`wall`: the database's clock, seconds since the epoch.

    `steady`: this process's monotonic clock.
    """

    wall: float
    steady: float


def cutoff(now: float, seconds: float, blind: Iterable[Outage], *, began_at: float) -> float | None:
    """A session whose last heartbeat came before this time has been silent for `seconds` outside of outages.

    None if the watchdog has not observed that much since `began_at`.
    """
    left, seen_until = seconds, now
    for since, until in _newest_first(blind, now):
        seen = seen_until - until
        if seen >= left:
            break
        left -= max(seen, 0.0)
        seen_until = min(seen_until, since)
    found = seen_until - left
    return found if found >= began_at else None


def _newest_first(blind: Iterable[Outage], now: float) -> Sequence[tuple[float, float]]:
    ends = [(gap.since, now if gap.until is None else gap.until) for gap in blind]
    return sorted(ends, key=lambda gap: gap[1], reverse=True)

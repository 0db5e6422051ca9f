"""Stores when the watchdog last checked, and its outages."""

from __future__ import annotations

from collections.abc import Iterable

from sessions_app.watchdog.outages import Outage

from .leader import Leader

SOURCE = "sweeper"
HORIZON_DAYS = 30

_BEGIN = """
INSERT INTO agent_session_monitors (source, began_at, looked_at)
VALUES (%s, to_timestamp(%s), to_timestamp(%s))
ON CONFLICT (source) DO UPDATE SET source = excluded.source
RETURNING extract(epoch FROM began_at)::float8, extract(epoch FROM looked_at)::float8
"""
_LOOKED = """
UPDATE agent_session_monitors SET looked_at = greatest(looked_at, to_timestamp(%s)) WHERE source = %s
"""
_READ = """
SELECT cause, extract(epoch FROM started_at)::float8, extract(epoch FROM ended_at)::float8
FROM agent_session_blindness
WHERE source = %s AND (ended_at IS NULL OR ended_at > to_timestamp(%s) - make_interval(days => %s))
ORDER BY started_at DESC LIMIT 1000
"""
# An outage that the last leader left open ends when this one begins.
_CLOSE = """
UPDATE agent_session_blindness SET ended_at = greatest(started_at, to_timestamp(%s))
WHERE source = %s AND ended_at IS NULL
"""
_WRITE = """
INSERT INTO agent_session_blindness (source, cause, started_at, ended_at)
VALUES (%s, %s, to_timestamp(%s), to_timestamp(%s))
ON CONFLICT (source, cause, started_at) DO UPDATE SET ended_at = excluded.ended_at
"""


class OutageLog:
    def __init__(self, leader: Leader) -> None:
        self._leader = leader
        self._written: set[Outage] = set()

    async def open(self, now: float) -> tuple[float, float, list[Outage]]:
        """The first start of a watchdog, the last check, and the outages that may still matter."""
        [[began_at, looked_at]] = await self._leader.rows(_BEGIN, (SOURCE, now, now))
        await self._leader.rows(_CLOSE, (now, SOURCE))
        found = await self._leader.rows(_READ, (SOURCE, now, HORIZON_DAYS))
        self._written.clear()
        return began_at, looked_at, [Outage(*row) for row in found]

    async def heartbeat(self, now: float) -> None:
        await self._leader.rows(_LOOKED, (now, SOURCE))

    async def write(self, intervals: Iterable[Outage]) -> None:
        for interval in [i for i in intervals if i not in self._written]:
            await self._leader.rows(
                _WRITE, (SOURCE, interval.cause, interval.since, interval.until)
            )
            self._written.add(interval)

"""Finds sessions that are silent for too long, some pages of the active ones at each check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from agent_sessions.keys import Keys
from sessions_app.health import Rules, rule_for
from sessions_app.watchdog.outages import Outage

from .candidates import Candidates
from .leader import Leader
from .observed_silence import Moment, cutoff

PAGE = 1000
PAGES = 5
NEVER = float("-inf")
NOWHERE = "00000000-0000-0000-0000-000000000000"

# Uses the partial index of active sessions; last_heartbeat has no index, which keeps heartbeats cheap.
_PAGE = """
SELECT s.id::text, s.agent_type, extract(epoch FROM coalesce(s.last_heartbeat, s.created_at, s.updated_at))::float8
FROM agent_sessions s WHERE s.state = 'active' AND s.id > %s ORDER BY s.id LIMIT %s
"""


class Silent(NamedTuple):
    session_id: str
    agent_type: str
    beat: float


class Expired(NamedTuple):
    session_id: str
    seconds: int


@dataclass(frozen=True, slots=True)
class SilenceLimits:
    """Times of a last heartbeat.

    At or before `watch` the session becomes a candidate; at or before `fail`, and after `grace`
    seconds as a candidate, it has expired.
    """

    watch: float
    fail: float
    grace: float
    seconds: int


class Detector:
    def __init__(
        self, leader: Leader, valkey: Any, rules: Rules, namespace: str, *, page: int = PAGE
    ) -> None:
        self._leader, self._valkey, self._rules = leader, valkey, rules
        self._heartbeats = Keys(namespace).heartbeats
        self._page = page
        self._candidates = Candidates()
        self._after = NOWHERE

    def start_anew(self) -> None:
        """After an outage every session gets the full grace period."""
        self._candidates.clear()

    async def find_expired(
        self, now: Moment, blind: Sequence[Outage], began_at: float, *, most: int
    ) -> list[Expired]:
        limits: dict[str, SilenceLimits | None] = {}
        found: list[Expired] = []
        for _ in range(PAGES):
            page = [
                Silent(*row) for row in await self._leader.rows(_PAGE, (self._after, self._page))
            ]
            for agent_type in {silent.agent_type for silent in page} - limits.keys():
                limits[agent_type] = self._limits(agent_type, now.wall, blind, began_at)
            found += await self._expired(page, limits, now)
            if len(page) < self._page:
                self._after = NOWHERE
                self._candidates.next_round()
                break
            self._after = page[-1].session_id
            if len(found) >= most:
                break
        return found[:most]

    def _limits(
        self, agent_type: str, now: float, blind: Sequence[Outage], began_at: float
    ) -> SilenceLimits | None:
        rule = rule_for(agent_type, self._rules)
        grace = min(rule.lost, rule.fail_after)
        watch = cutoff(now, rule.fail_after - grace, blind, began_at=began_at)
        if watch is None:
            return None
        fail = cutoff(now, rule.fail_after, blind, began_at=began_at)
        return SilenceLimits(watch, NEVER if fail is None else fail, grace, rule.fail_after)

    async def _expired(
        self, page: Sequence[Silent], limits: Mapping[str, SilenceLimits | None], now: Moment
    ) -> list[Expired]:
        candidates = []
        for silent in page:
            limit = limits[silent.agent_type]
            if limit is not None and silent.beat <= limit.watch:
                candidates.append((silent, limit))
            else:
                self._candidates.discard(silent.session_id)
        scores = await self._newer_beats([silent.session_id for silent, _ in candidates])
        return [
            Expired(silent.session_id, limit.seconds)
            for (silent, limit), score in zip(candidates, scores, strict=True)
            if self._is_expired(silent, score, limit, now)
        ]

    def _is_expired(self, silent: Silent, score: float, limit: SilenceLimits, now: Moment) -> bool:
        """A heartbeat from the future proves life while it is new, but its time cannot be used."""
        beat = max(silent.beat, score if score <= now.wall else 0.0)
        unchanged = self._candidates.unchanged_for(
            silent.session_id, (silent.beat, score), now.steady
        )
        return beat <= limit.fail and unchanged >= limit.grace

    async def _newer_beats(self, ids: Sequence[str]) -> list[float]:
        if not ids:
            return []
        scores = await self._valkey.zmscore(self._heartbeats, list(ids))
        return [0.0 if score is None else float(score) / 1000 for score in scores]

"""Who has been silent for too long: a bounded piece of the live sessions at a time, each round from the start."""

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

# By the partial index of what is active; last_heartbeat has none, so that heartbeats stay cheap.
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
class Limits:
    """Silent since `watch`: looked at closely. Silent since `fail`, and closely seen for `grace`: given up."""

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
        """After blindness everybody gets a full grace to be heard of."""
        self._candidates.clear()

    async def look(
        self, now: Moment, blind: Sequence[Outage], began_at: float, *, most: int
    ) -> list[Expired]:
        limits: dict[str, Limits | None] = {}
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
    ) -> Limits | None:
        rule = rule_for(agent_type, self._rules)
        grace = min(rule.lost, rule.fail_after)
        watch = cutoff(now, rule.fail_after - grace, blind, began_at=began_at)
        if watch is None:
            return None
        fail = cutoff(now, rule.fail_after, blind, began_at=began_at)
        return Limits(watch, NEVER if fail is None else fail, grace, rule.fail_after)

    async def _expired(
        self, page: Sequence[Silent], limits: Mapping[str, Limits | None], now: Moment
    ) -> list[Expired]:
        suspected = []
        for silent in page:
            limit = limits[silent.agent_type]
            if limit is not None and silent.beat <= limit.watch:
                suspected.append((silent, limit))
            else:
                self._candidates.discard(silent.session_id)
        scores = await self._newer_beats([silent.session_id for silent, _ in suspected])
        return [
            Expired(silent.session_id, limit.seconds)
            for (silent, limit), score in zip(suspected, scores, strict=True)
            if self._is_expired(silent, score, limit, now)
        ]

    def _is_expired(self, silent: Silent, score: float, limit: Limits, now: Moment) -> bool:
        """A beat from the future says that an agent lives when it is new, and nothing of when it lived."""
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

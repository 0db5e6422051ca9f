"""Whether a session is heard of: a pure function of stored facts and one frozen clock. Never stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol


class Health(StrEnum):
    ON_TIME = "on_time"
    LATE = "late"
    LOST = "lost"
    NO_PROGRESS = "no_progress"
    NOT_WATCHED = "not_watched"


class Facts(Protocol):
    @property
    def state(self) -> str: ...
    @property
    def agent_type(self) -> str: ...
    @property
    def last_heartbeat(self) -> datetime | None: ...
    @property
    def last_progress(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """Seconds of one agent type: from when it is late, lost, alive without getting on, and given up."""

    late: int = 30
    lost: int = 120
    no_progress: int = 600
    fail_after: int = 3600


Rules = Mapping[str, Mapping[str, int]]

# A paused agent still beats, so its silence counts; that it makes no progress is what was asked.
WATCHED_FOR_SILENCE = frozenset({"active", "paused"})
WATCHED_FOR_PROGRESS = frozenset({"active"})


def rule_for(agent_type: str, rules: Rules) -> Rule:
    merged = {**rules.get("default", {}), **rules.get(agent_type, {})}
    names = ("late", "lost", "no_progress", "fail_after")
    return Rule(**{name: merged[name] for name in names if name in merged})


def health(facts: Facts, rules: Rules, now: datetime) -> Health:
    if facts.state not in WATCHED_FOR_SILENCE:
        return Health.NOT_WATCHED
    rule = rule_for(facts.agent_type, rules)
    silence = _age(facts.last_heartbeat, now)
    if silence is None or silence >= timedelta(seconds=rule.lost):
        return Health.LOST
    if silence >= timedelta(seconds=rule.late):
        return Health.LATE
    standstill = _age(facts.last_progress, now)
    stuck = standstill is not None and standstill >= timedelta(seconds=rule.no_progress)
    if stuck and facts.state in WATCHED_FOR_PROGRESS:
        return Health.NO_PROGRESS
    return Health.ON_TIME


def is_without_agent(facts: Facts, rules: Rules, now: datetime) -> bool:
    """No heartbeat for so long that nobody is there to confirm an order, whatever the state."""
    silence = _age(facts.last_heartbeat, now)
    lost = timedelta(seconds=rule_for(facts.agent_type, rules).lost)
    return silence is None or silence >= lost


def _age(moment: datetime | None, now: datetime) -> timedelta | None:
    return None if moment is None else now - moment

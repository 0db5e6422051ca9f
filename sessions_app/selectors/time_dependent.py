"""What time alone does to a list: a session falls silent, gets nothing done, grows old."""

from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings

from ..conditions import LATE, LOST, NO_PROGRESS
from ..health import Facts, health, rule_for
from .search import Group, seconds

TIMED = frozenset({LATE, LOST, NO_PROGRESS})


class TimedRow(Facts, Protocol):
    @property
    def created_at(self) -> datetime | None: ...
    @property
    def read_at(self) -> datetime: ...


def depends_on_time(group: Group) -> bool:
    return group.key == "older" or (group.key == "condition" and bool(group.values & TIMED))


def entered_at(group: Group, facts: TimedRow) -> datetime | None:
    """From when on the group has held without a break, where that is a matter of time."""
    if group.key == "older":
        spans = min(seconds(value) for value in group.values)
        return facts.created_at and facts.created_at + timedelta(seconds=spans)
    rule = rule_for(facts.agent_type, settings.HEARTBEAT_RULES)
    condition = health(facts, settings.HEARTBEAT_RULES, facts.read_at).value
    if condition not in group.values & TIMED:
        return None
    if condition == NO_PROGRESS:
        return _after(facts.last_progress, rule.no_progress)
    from_late = condition == LATE or LATE in group.values  # who is lost was late before
    return _after(facts.last_heartbeat, rule.late if from_late else rule.lost)


def _after(moment: datetime | None, limit: int) -> datetime | None:
    return moment and moment + timedelta(seconds=limit)

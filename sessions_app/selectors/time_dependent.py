"""How sessions come into a list by time alone: they fall silent, make no progress, grow old."""

from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings

from ..health import CONDITIONS, Facts, held_since
from .search import SearchGroup, seconds


class TimedRow(Facts, Protocol):
    @property
    def created_at(self) -> datetime | None: ...
    @property
    def read_at(self) -> datetime: ...


def depends_on_time(group: SearchGroup) -> bool:
    return group.key == "older" or (
        group.key == "condition" and not group.values.isdisjoint(CONDITIONS)
    )


def entered_at(group: SearchGroup, facts: TimedRow) -> datetime | None:
    """Since when the group has held; None where it does not hold by time alone."""
    if group.key == "older":
        spans = min(seconds(value) for value in group.values)
        return facts.created_at and facts.created_at + timedelta(seconds=spans)
    return held_since(group.values, facts, settings.HEARTBEAT_RULES, facts.read_at)

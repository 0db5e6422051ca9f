"""How long the steps of a session take: checkpoints of one name, each measured from the checkpoint before it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from django.db.models.expressions import RawSQL
from django.db.models.functions import Left

from agent_sessions.states import CHECKPOINT_NAMES

from ..models import Checkpoint
from .session import AUTOMATIC

MAX_CHECKPOINTS = 2000
DOTS = 60
WIDTH = 300
EDGE = 6
STOPS = frozenset({CHECKPOINT_NAMES["pause"]})


@dataclass(frozen=True, slots=True)
class StepDurations:
    """`dots` are the newest steps, as places in a drawing WIDTH wide; so are `low`, `middle` and `high`."""

    name: str
    count: int
    shortest: timedelta
    median: timedelta
    longest: timedelta
    dots: list[int]
    low: int
    middle: int
    high: int


def read_step_durations(session_id: UUID, up_to: datetime | None = None) -> list[StepDurations]:
    """Names that came at least twice, the most frequent first."""
    found = Checkpoint.objects.of(session_id)
    if up_to is not None:
        found = found.filter(at__lte=up_to)
    seconds = RawSQL("extract(epoch FROM at)::float8", ())  # read in a tenth of a date's time
    newest = (
        found.annotate(short=Left("name", 200), seconds=seconds)
        .newest_first()
        .values_list("short", "seconds")[:MAX_CHECKPOINTS]
    )
    steps: dict[str, list[float]] = defaultdict(list)
    before: tuple[str, float] | None = None
    for name, at in reversed(newest):
        if before and before[0] not in STOPS and name not in AUTOMATIC:
            steps[name].append(max(at - before[1], 0.0))
        before = name, at
    groups = [_group(name, spans) for name, spans in steps.items() if len(spans) > 1]
    return sorted(groups, key=lambda group: (-group.count, group.name))


def _group(name: str, spans: list[float]) -> StepDurations:
    longest = max(spans)
    middle = median(spans)

    def place(seconds: float) -> int:
        return EDGE + round((WIDTH - 2 * EDGE) * (seconds / longest if longest else 0))

    return StepDurations(
        name=name,
        count=len(spans),
        shortest=timedelta(seconds=min(spans)),
        median=timedelta(seconds=middle),
        longest=timedelta(seconds=longest),
        dots=[place(seconds) for seconds in spans[-DOTS:]],
        low=place(min(spans)),
        middle=place(middle),
        high=place(longest),
    )

"""Whether the watchdog runs, and when it could not receive heartbeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.db.models.functions import Now

from ..models import Blindness, Monitor

SOURCE = "sweeper"
LATE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class WatchdogStatus:
    """`looked_at` is None where no watchdog ever ran. `blind`: newest first; one without an end goes on."""

    now: datetime | None
    looked_at: datetime | None
    blind: Sequence[Blindness]

    @property
    def runs(self) -> bool:
        """Whether a watchdog runs now. Without one no session is failed for its silence."""
        return (
            self.now is not None and self.looked_at is not None and self.now - self.looked_at < LATE
        )

    @property
    def blind_since(self) -> datetime | None:
        """Since when no heartbeat is received, or no watchdog runs."""
        open_ones = [gap.started_at for gap in self.blind if gap.ended_at is None]
        if self.looked_at is not None and not self.runs:
            open_ones.append(self.looked_at)
        return min(open_ones, default=None)

    @property
    def sees(self) -> bool:
        return self.runs and self.blind_since is None


def read_watchdog_status(since: timedelta = timedelta(hours=24), most: int = 50) -> WatchdogStatus:
    """How it is now, by the database's clock, and the blindness of the last hours."""
    recent = Q(ended_at=None) | Q(ended_at__gt=Now() - since)
    blind = Blindness.objects.filter(recent, source=SOURCE).order_by("-started_at")
    found = Monitor.objects.filter(source=SOURCE).values_list(Now(), "looked_at").first()
    now, looked_at = found or (None, None)
    return WatchdogStatus(now, looked_at, list(blind[:most]))

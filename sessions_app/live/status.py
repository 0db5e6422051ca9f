"""The feed's status on every page: live only while notifications are proven to arrive."""

import json
from collections.abc import Callable
from typing import NamedTuple

from ..watchdog.outages import OutageTracker
from .limits import FeedLimits
from .sources.postgres import PostgresSource
from .sources.valkey import ValkeySource
from .state.change_buffer import ChangeBuffer

DATABASE, BEATS = "postgresql", "valkey"


class FeedStatus(NamedTuple):
    status: str
    since: int | None
    beats_since: int | None


class Status:
    def __init__(
        self,
        listener: PostgresSource,
        beats: ValkeySource,
        buffer: ChangeBuffer,
        outages: OutageTracker,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        limits: FeedLimits,
    ) -> None:
        self._listener, self._beats, self._buffer = listener, beats, buffer
        self._outages = outages
        self._clock, self._monotonic, self._limits = clock, monotonic, limits
        self._last: FeedStatus | None = None
        self._text = ""

    def current(self) -> FeedStatus:
        beats_since = _ms(self._outages.open.get(BEATS))
        if not self.is_proven:
            return FeedStatus("blind", _ms(self._outages.open.get(DATABASE)), beats_since)
        if self._buffer.has_gap or self._is_overdue:
            return FeedStatus("catching-up", self._behind_since(), beats_since)
        return FeedStatus("live", None, beats_since)

    @property
    def is_proven(self) -> bool:
        proven_at = self._listener.proven_at
        return proven_at is not None and self._monotonic() - proven_at <= self._limits.proven

    @property
    def _is_overdue(self) -> bool:
        oldest = self._buffer.oldest
        return oldest is not None and self._monotonic() - oldest > self._limits.overdue

    def _behind_since(self) -> int | None:
        oldest = self._buffer.oldest
        return None if oldest is None else _ms(self._clock() - (self._monotonic() - oldest))

    def _track_outage(self) -> None:
        """The outage begins when the last proof is too old, even without an error, and ends with the next one."""
        if self.is_proven:
            self._outages.end(DATABASE)
        elif DATABASE not in self._outages.open:
            proven_at = self._listener.proven_at
            age = 0.0 if proven_at is None else self._monotonic() - proven_at
            self._outages.begin(DATABASE, self._clock() - age)

    def has_changed(self) -> bool:
        """Whether it differs from the last one sent."""
        self._track_outage()
        current = self.current()
        if self._last is not None and current.status == self._last.status == "catching-up":
            current = current._replace(since=self._last.since)
        changed = current != self._last
        if changed:
            self._last, self._text = current, _encoded(current)
        return changed

    def header(self) -> str:
        if self._last is None or not self.is_proven:
            self.has_changed()
        return f'"now":{int(self._clock() * 1000)},"feed":{self._text}'


def _encoded(status: FeedStatus) -> str:
    fields: dict[str, str | int | None] = {"status": status.status, "since": status.since}
    if status.beats_since is not None:
        fields["beats_since"] = status.beats_since
    return json.dumps(fields, separators=(",", ":"))


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)

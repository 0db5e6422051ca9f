"""The options of `attach`, checked before any server is asked."""

from __future__ import annotations

from dataclasses import dataclass

from agent_sessions import argument_checks as check
from agent_sessions.errors import InvalidInput
from agent_sessions.lease_owner import INTERVALS

MAX_ATTEMPTS = 2**15 - 1  # what the column counts to
LONGEST_INTERVAL = check.DAY / INTERVALS  # a lease lasts a day at most

Kinds = type[Exception] | tuple[type[Exception], ...]


@dataclass(frozen=True)
class AttachOptions:
    """As `SessionManager.attach` explains them."""

    interval: float
    complete: bool
    wait: float | None
    take_over: bool
    retry_on: Kinds
    attempts: int
    stop_on_sigterm: bool
    interrupt: bool

    def __post_init__(self) -> None:
        check.number(self.interval, "interval", 0, LONGEST_INTERVAL, above=True)
        if self.wait is not None:
            check.number(self.wait, "wait", 0)
        check.whole(self.attempts, "attempts", 1, MAX_ATTEMPTS)
        for name in ("complete", "take_over", "stop_on_sigterm", "interrupt"):
            check.switch(getattr(self, name), name)
        kinds = self.retry_on if isinstance(self.retry_on, tuple) else (self.retry_on,)
        if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
            raise InvalidInput(
                f"retry_on must be an exception's class or a tuple of such classes, not {self.retry_on!r}"
            )

"""The options of `attach`, checked before any server is asked."""

from __future__ import annotations

from dataclasses import dataclass

from agent_sessions.errors import InvalidInput

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
        if self.attempts < 1:
            raise InvalidInput(f"attempts must be 1 or more, not {self.attempts}")
        kinds = self.retry_on if isinstance(self.retry_on, tuple) else (self.retry_on,)
        if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
            raise InvalidInput(
                f"retry_on must be an exception's class or a tuple of such classes, not {self.retry_on!r}"
            )

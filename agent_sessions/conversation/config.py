from __future__ import annotations

from dataclasses import dataclass

from agent_sessions import argument_checks as check
from agent_sessions.basic_errors import InvalidInput
from agent_sessions.keys import CONVERSATIONS

CENTURY = check.CENTURY_HOURS * 3600


@dataclass(frozen=True)
class ConversationConfig:
    ttl_seconds: float = 1800
    cleanup_interval_seconds: float = 300
    max_sessions: int = 10_000
    valkey_url: str | None = None
    valkey_prefix: str = CONVERSATIONS
    valkey_db: int = 1
    """Always this database, whatever the URL says."""
    valkey_timeout_seconds: float = 2.0
    """How long one answer may take before Valkey counts as away."""
    retry_first_seconds: float = 0.5
    retry_longest_seconds: float = 30.0
    max_bytes: int = 8 * 1024 * 1024
    """How large one conversation may grow."""
    default_language: str = "nl"

    def __post_init__(self) -> None:
        positive = (
            "ttl_seconds", "cleanup_interval_seconds", "valkey_timeout_seconds", "retry_first_seconds",
            "retry_longest_seconds",
        )  # fmt: skip
        for name in positive:
            check.number(getattr(self, name), name, 0, CENTURY, above=True)
        check.whole(self.max_sessions, "max_sessions", 1)
        check.whole(self.max_bytes, "max_bytes", 1)
        check.whole(self.valkey_db, "valkey_db")
        if not self.valkey_prefix:
            raise InvalidInput("valkey_prefix is missing: the keys need a name of their own")

"""A checkpoint of a session as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from agent_sessions import validation
from agent_sessions.basic_errors import InvalidInput
from agent_sessions.json_errors import Encode
from agent_sessions.json_merge import copied


@dataclass
class SessionCheckpoint:
    """A named point an agent can return to. `id` is "{session_id}:{n}", None until it is stored."""

    name: str
    timestamp: datetime
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    stored: bool = field(default=False, repr=False, compare=False)
    # `data` as JSON, and by what it is known that it is still the same
    validated: tuple[bytes | None, str] | None = field(default=None, repr=False, compare=False)

    @property
    def n(self) -> int | None:
        return int(self.id.rpartition(":")[2]) if self.id else None

    def validate(self, encode: Encode | None = None) -> str:
        """`data` as JSON, encoded again only when it was changed. Raises InvalidInput for what cannot be stored.

        `data` holds afterwards what is stored, where `encode` had to help.
        """
        print_now = validation.fingerprint(self.data)
        if self.validated is not None and print_now is not None and self.validated[0] == print_now:
            return self.validated[1]
        text, plain = validation.encoded(
            self.data, "the checkpoint's data", validation.MAX_DATA_BYTES, encode
        )
        if plain is not self.data:
            self.data, print_now = plain, validation.fingerprint(plain)
        self.validated = print_now, text
        return text

    def copy(self) -> Self:
        data, metadata = copied(self.data), copied(self.metadata)
        return type(self)(self.name, self.timestamp, data, metadata, self.id, self.stored)

    def to_dict(self) -> dict[str, Any]:
        """{"name", "timestamp" (ISO 8601 with offset), "data"} and, where there are any, "id" and "metadata"."""
        result = {"name": self.name, "timestamp": self.timestamp.isoformat(), "data": self.data}
        if self.id:
            result["id"] = self.id
        if self.metadata:
            result["metadata"] = self.metadata
        return result

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Raises InvalidInput for what is no checkpoint."""
        if not isinstance(stored, dict) or not isinstance(stored.get("name"), str):
            raise InvalidInput(f"no checkpoint: {str(stored)[:60]!r}")
        at = validation.moment(stored.get("timestamp"), "timestamp")
        data, metadata = dict_or_empty(stored.get("data")), dict_or_empty(stored.get("metadata"))
        return cls(stored["name"], at, data, metadata, stored.get("id"), True)


def dict_or_empty(value: Any) -> dict[str, Any]:
    """Older agents and statements by hand have stored other things in the place of an object."""
    return value if isinstance(value, dict) else {}

"""What web processes cache for each other in Valkey: JSON, never a pickle."""

from __future__ import annotations

from typing import Any

import msgspec
from django_redis.serializers.base import BaseSerializer

LONGEST = 64 * 1024  # bytes; all that is cached are small numbers and texts


class JsonSerializer(BaseSerializer):  # type: ignore[misc]
    """What cannot be read counts as a miss: anybody who reaches Valkey may have written it.

    A reader still has to check the shape of the value that it gets.
    """

    def dumps(self, value: Any) -> bytes:
        return msgspec.json.encode(value)

    def loads(self, value: bytes) -> Any:
        if len(value) > LONGEST:
            return None
        try:
            return msgspec.json.decode(value)
        except (ValueError, RecursionError):
            return None

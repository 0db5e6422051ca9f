"""What may be stored, and the clear error for what may not. PostgreSQL would refuse most of it, less kindly."""

from __future__ import annotations

import json
import marshal
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from agent_sessions.errors import InvalidInput

MAX_CONTEXT_BYTES = 4 * 1024 * 1024
MAX_DATA_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_NAME = 200
MAX_TEXT = 2_000
MAX_AGENT_TYPE = 50

_USUAL_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def session_id(value: object) -> str:
    """The id in its usual form. Raises InvalidInput for what is no UUID."""
    if isinstance(value, str) and _USUAL_ID.fullmatch(value):
        return value
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise InvalidInput(f"{str(value)[:60]!r} is no session id: a UUID is needed") from None


def text(value: object, what: str, limit: int = MAX_TEXT, *, required: bool = False) -> str:
    """A bounded string that PostgreSQL can store."""
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be text, not {type(value).__name__}")
    if required and not value.strip():
        raise InvalidInput(f"{what} is missing: write a few words")
    if len(value) > limit:
        raise InvalidInput(f"{what} has {len(value)} characters: {limit} are allowed")
    if "\x00" in value:
        raise InvalidInput(f"{what} contains a NUL character: remove it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            f"{what} contains half a character (a lone surrogate): remove it"
        ) from None
    return value


def agent_type(value: object) -> str:
    return text(value, "agent_type", MAX_AGENT_TYPE, required=True)


def json_object(value: object, what: str, limit: int = MAX_CONTEXT_BYTES) -> str:
    """The JSON text of a dict, within bounds. Raises InvalidInput and says why."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} must be a dict, not {type(value).__name__}")
    if not value:
        return "{}"
    try:
        encoded = _ENCODER.encode(value)
        size = len(encoded.encode())
    except RecursionError:
        raise InvalidInput(f"{what} is nested too deeply: {MAX_DEPTH} levels are allowed") from None
    except UnicodeEncodeError:
        raise InvalidInput(
            f"{what} contains half a character (a lone surrogate): remove it"
        ) from None
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{what} cannot be written as JSON: {_why(error)}") from None
    if size > limit:
        raise InvalidInput(f"{what} has {size:,} bytes: {limit:,} are allowed")
    if "\\u0000" in encoded and _NUL.search(encoded):
        raise InvalidInput(f"{what} contains a NUL character: remove it")
    if encoded.count("{") + encoded.count("[") > MAX_DEPTH and depth(value) > MAX_DEPTH:
        raise InvalidInput(f"{what} is nested too deeply: {MAX_DEPTH} levels are allowed")
    return encoded


def fingerprint(value: Any) -> bytes | None:
    """Equal only for what is encoded equally (1, 1.0 and True differ), in a tenth of the time; None where there is none."""
    try:
        return marshal.dumps(value, 2)
    except ValueError:
        return None


def _why(error: Exception) -> str:
    """In words that do not change with the version of Python."""
    found = str(error)
    return "it contains NaN or an infinity" if found.startswith("Out of range float") else found


def from_json(text: str | bytes, what: str) -> Any:
    """Raises InvalidInput, which begins with `what`."""
    try:
        return json.loads(text)
    except RecursionError:
        raise InvalidInput(f"{what}: it is nested too deeply") from None
    except (ValueError, TypeError):
        raise InvalidInput(f"{what}: it is not JSON") from None


def depth(value: Any) -> int:
    """Levels of nesting, found without recursion."""
    deepest, level = 0, [value]
    while level:
        deepest += 1
        inner: list[Any] = []
        for item in level:
            inner.extend(item.values() if isinstance(item, dict) else item)
        level = [item for item in inner if isinstance(item, dict | list | tuple)]
    return deepest


def moment(value: object, what: str) -> datetime:
    """An aware time in UTC from a datetime or ISO 8601 text; without an offset it is taken as UTC."""
    if isinstance(value, str):
        written = value
        try:
            value = datetime.fromisoformat(written)
        except ValueError:
            raise InvalidInput(f"{what} {written[:40]!r} is no ISO 8601 time") from None
    if not isinstance(value, datetime):
        raise InvalidInput(f"{what} must be a time, not {type(value).__name__}")
    if value.tzinfo is UTC:
        return value
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{what} {value} is out of range") from None

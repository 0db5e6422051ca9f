"""What may be stored, checked before PostgreSQL is asked, so that the error can say what to change."""

from __future__ import annotations

import json
import marshal
import re
import unicodedata
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec

from agent_sessions.basic_errors import InvalidInput
from agent_sessions.json_errors import Encode, first_error, has_long_number

MAX_CONTEXT_BYTES = 4 * 1024 * 1024
MAX_DATA_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_NAME = 200
MAX_TEXT = 2_000
MAX_AGENT_TYPE = 50
MAX_USER = 320
MAX_NAMESPACE = 100
OMITTED = "⟪…⟫"  # begins a text that stands for a stored value which cannot be read in full

_USUAL_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Letters and unassigned characters that Unicode shows as nothing (Default_Ignorable_Code_Point), and the empty Braille cell.
_FILLER = re.compile("[\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
# Refuses every key that is no text, in a tenth of the time that encoding takes.
_TEXT_KEYS = msgspec.json.Encoder(order="deterministic")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def session_id(value: object) -> str:
    """The id in its usual form. Raises InvalidInput for what is no UUID."""
    if isinstance(value, str) and _USUAL_ID.fullmatch(value):
        return value
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        shown = str(value)[:60]
        raise InvalidInput(
            f"{shown!r} is no session id: a UUID is needed", "no_session_id", value=shown
        ) from None


def text(value: object, what: str, limit: int = MAX_TEXT, *, required: bool = False) -> str:
    """A bounded string that PostgreSQL can store."""
    if not isinstance(value, str):
        kind = type(value).__name__
        raise InvalidInput(f"{what} must be text, not {kind}", "no_text", what=what)
    if required and not has_visible(value):
        raise InvalidInput(f"{what} is missing: write a few words", "missing", what=what)
    if len(value) > limit:
        size = len(value)
        said = f"{what} has {size} characters: {limit} are allowed"
        raise InvalidInput(said, "too_long", what=what, size=size, limit=limit)
    if "\x00" in value:
        raise _contains_nul(what)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _contains_surrogate(what) from None
    return value


def has_visible(text: str) -> bool:
    """Whether a reader sees anything: white space, controls, marks alone and fillers are invisible."""
    return any(
        unicodedata.category(sign)[0] not in "ZM"
        and unicodedata.category(sign) not in ("Cc", "Cf")
        and not _FILLER.match(sign)
        for sign in text
    )


def _contains_nul(what: str) -> InvalidInput:
    return InvalidInput(f"{what} contains a NUL character: remove it", "nul", what=what)


def _contains_surrogate(what: str) -> InvalidInput:
    said = f"{what} contains half a character (a lone surrogate): remove it"
    return InvalidInput(said, "surrogate", what=what)


def _too_deep(what: str) -> InvalidInput:
    said = f"{what} is nested too deeply: {MAX_DEPTH} levels are allowed"
    return InvalidInput(said, "too_deep", what=what, limit=MAX_DEPTH)


def _no_json(what: str, reason: object) -> InvalidInput:
    return InvalidInput(f"{what} cannot be written as JSON: {reason}", "no_json", what=what)


def agent_type(value: object) -> str:
    return text(value, "agent_type", MAX_AGENT_TYPE, required=True)


def json_object(value: object, what: str, limit: int = MAX_CONTEXT_BYTES) -> str:
    """The JSON text of a dict, within bounds. Raises InvalidInput and says why."""
    return encoded(value, what, limit)[0]


def encoded(
    value: object, what: str, limit: int = MAX_CONTEXT_BYTES, encode: Encode | None = None
) -> tuple[str, dict[str, Any]]:
    """The JSON text of a dict, and what it says: `value` itself, unless `encode` had to help. Raises InvalidInput.

    `encode` is called for each value that JSON does not know, and returns one that it knows.
    """
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise InvalidInput(f"{what} must be a dict, not {kind}", "no_object", what=what)
    if not value:
        return "{}", value
    text, plain = _text_of(value, what, encode)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise _contains_surrogate(what) from None
    if size > limit:
        said = f"{what} has {size:,} bytes: {limit:,} are allowed"
        raise InvalidInput(said, "too_large", what=what, size=size, limit=limit)
    if "\\u0000" in text and _NUL.search(text):
        raise _contains_nul(what)
    if OMITTED in text:
        raise InvalidInput(
            f"{what} contains {OMITTED}, which stands for a stored value that could not be read: replace it",
            "omitted",
            what=what,
        )
    if has_long_number(text) and (reason := first_error(plain)):
        raise _no_json(what, reason)
    if text.count("{") + text.count("[") > MAX_DEPTH and depth(plain) > MAX_DEPTH:
        raise _too_deep(what)
    return text, plain


def _text_of(value: dict[str, Any], what: str, encode: Encode | None) -> tuple[str, dict[str, Any]]:
    try:
        text = _ENCODER.encode(value)
    except Exception as error:
        if encode is None or not isinstance(error, TypeError):
            raise _refused(value, what, error, encode) from None
    else:
        _require_text_keys(value, what)
        return text, value
    try:
        text = _encoder_with(encode).encode(value)
    except Exception as error:
        raise _refused(value, what, error, encode) from error
    if reason := first_error(value, encode):
        raise _no_json(what, reason)
    plain: dict[str, Any] = json.loads(text)
    return text, plain


def _encoder_with(encode: Encode) -> json.JSONEncoder:
    return json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=encode
    )


def _require_text_keys(value: dict[str, Any], what: str) -> None:
    """JSON's encoder writes the keys 1 and None as "1" and "null": beside such a text as a key, one would be lost."""
    try:
        _TEXT_KEYS.encode(value)
    except Exception as error:  # msgspec also refuses values that json accepts: only keys count
        if reason := first_error(value):
            raise _no_json(what, reason) from error


def _refused(
    value: dict[str, Any], what: str, error: Exception, encode: Encode | None
) -> InvalidInput:
    reason = first_error(value, encode)
    if reason is None and isinstance(error, RecursionError):
        return _too_deep(what)
    return _no_json(what, reason or error)


def fingerprint(value: Any) -> bytes | None:
    """Equal only for what is encoded equally (1, 1.0 and True differ), in a tenth of the time; None where there is none."""
    try:
        return marshal.dumps(value, 2)
    except ValueError:
        return None


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

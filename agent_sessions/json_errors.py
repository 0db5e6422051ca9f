"""Finds the value that JSON cannot hold.

Called only after encoding has failed, so its cost does not matter.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

Encode = Callable[[Any], Any]  # converts a value that JSON does not know to one that it knows
JsonPath = tuple[Any, ...]

DEEPEST = 200  # levels: more are refused anyway, and `encode` may add levels without end
SHOWN = 60  # characters of a key
SHOWN_PATH = 200
DIGITS = 308  # of a whole number that can be read again; with one more digit only those up to the largest float
LARGEST = int(sys.float_info.max)
ENCODED_AGAIN = 100  # calls in a row: `encode` may return what it has to encode again


def first_error(value: dict[Any, Any], encode: Encode | None = None) -> str | None:
    """The first error with its path: `marks.7: the key 7 is of type int, …`. None if JSON can hold everything."""
    seen: dict[int, Any] = {}  # by id; keeps the objects alive, so that no id is reused
    waiting: list[tuple[JsonPath, Any]] = [((), value)]
    while waiting:
        place, item = waiting.pop()
        if isinstance(item, dict | list | tuple):
            if id(item) in seen or len(place) > DEEPEST:
                continue
            seen[id(item)] = item
            if isinstance(item, dict):
                for key in item:
                    if not isinstance(key, str):
                        return key_error((*place, key))
            waiting.extend(reversed([((*place, key), inner) for key, inner in _parts(item)]))
        elif error := _value_error(place, item, encode, waiting):
            return error
    return None


def key_error(place: JsonPath) -> str:
    """The error of a key that is not text: as text it could equal another key, and it would be read as text."""
    key = place[-1]
    kind = type(key).__name__
    return (
        f"{path_of(place)}: the key {_shown(key)} is of type {kind}, and JSON has only text as keys: "
        f"write it as text, such as {_shown(str(key))}"
    )


def has_long_number(text: str) -> bool:
    """Samples every `_STEP`th character first: a long number has digits at two in a row, most texts have not."""
    return bool(_TWO_DIGITS.search(text[::_STEP]) and _LONG_NUMBER.search(text))


def fits(number: float) -> bool:
    """Whether the number is the same when it is read again."""
    return -LARGEST <= number <= LARGEST


def path_of(place: JsonPath) -> str:
    path = ".".join(part if isinstance(part, str) else str(part) for part in place)
    path = path.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    return path if len(path) <= SHOWN_PATH else f"{path[:SHOWN_PATH]}…"


def _parts(item: Any) -> Iterator[tuple[Any, Any]]:
    return iter(item.items()) if isinstance(item, dict) else enumerate(item)


def _value_error(
    place: JsonPath, item: Any, encode: Encode | None, waiting: list[tuple[JsonPath, Any]]
) -> str | None:
    """The error of a single value. The result of `encode` is appended to `waiting`, to be checked next."""
    if isinstance(item, int):
        if fits(item):
            return None
        return f"{path_of(place)} is a whole number beyond ±{sys.float_info.max}, the largest float"
    if item is None or isinstance(item, str):
        return None
    if isinstance(item, float):
        return (
            None if math.isfinite(item) else f"it contains NaN or an infinity at {path_of(place)}"
        )
    kind = type(item).__name__
    if encode is None:
        return f"{path_of(place)} is of type {kind}, which JSON does not know: {_REMEDY}"
    try:
        for _ in range(ENCODED_AGAIN):
            item = encode(item)
            if item is None or isinstance(item, str | int | float | dict | list | tuple):
                waiting.append((place, item))
                return None
    except Exception as error:
        return f"{path_of(place)} is of type {kind}, for which encode raised {error!r}"
    return f"{path_of(place)} is of type {kind}, of which encode makes nothing that JSON knows"


_STEP = DIGITS // 2
_TWO_DIGITS = re.compile(r"\d\d")
_LONG_NUMBER = re.compile(rf"\d{{{DIGITS + 1}}}")
_REMEDY = "convert it, or give SessionManager a function as `encode`"


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"

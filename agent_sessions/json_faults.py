"""Finds the value that JSON cannot hold. Called only after encoding has failed, so that it may look at everything."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

Encode = Callable[[Any], Any]  # for a value that JSON does not know, one that it knows
JsonPath = tuple[Any, ...]

DEEPEST = 200  # levels: more are refused anyway, and `encode` may add one for ever
SHOWN = 60  # characters of a key
SHOWN_PATH = 200
DIGITS = 308  # of a whole number that is read again; of one digit more those that are no more than the largest float
LARGEST = int(sys.float_info.max)
ENCODED_AGAIN = 100  # times that `encode` may answer with something JSON does not know either


def first_fault(value: dict[Any, Any], encode: Encode | None = None) -> str | None:
    """In words, with its path: `marks.7: the key 7 is of type int, …`. None when JSON can hold everything."""
    seen: dict[int, Any] = {}  # each is kept alive, so that no id comes twice
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
                        return key_fault((*place, key))
            waiting.extend(reversed([((*place, key), inner) for key, inner in _parts(item)]))
        elif fault := _value_fault(place, item, encode, waiting):
            return fault
    return None


def key_fault(place: JsonPath) -> str:
    """A key that is no text: as text it could meet another key, and it would come back as text."""
    key = place[-1]
    kind = type(key).__name__
    return (
        f"{path_of(place)}: the key {_shown(key)} is of type {kind}, and JSON has only text as keys: "
        f"write it as text, such as {_shown(str(key))}"
    )


def has_long_number(text: str) -> bool:
    """Looks at every `_STEP`th character first: a long number has digits at two of them in a row, most texts have not."""
    return bool(_TWO_DIGITS.search(text[::_STEP]) and _LONG_NUMBER.search(text))


def fits(number: float) -> bool:
    """Whether it is read again as it was."""
    return -LARGEST <= number <= LARGEST


def path_of(place: JsonPath) -> str:
    path = ".".join(part if isinstance(part, str) else str(part) for part in place)
    path = path.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    return path if len(path) <= SHOWN_PATH else f"{path[:SHOWN_PATH]}…"


def _parts(item: Any) -> Iterator[tuple[Any, Any]]:
    return iter(item.items()) if isinstance(item, dict) else enumerate(item)


def _value_fault(
    place: JsonPath, item: Any, encode: Encode | None, waiting: list[tuple[JsonPath, Any]]
) -> str | None:
    """What `encode` makes of it is looked at next."""
    if isinstance(item, int):
        return (
            None
            if fits(item)
            else f"{path_of(place)} is a whole number of more than {DIGITS} digits"
        )
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

"""Numbers and switches that a caller passes, checked at the call, so that the error names the argument.

A wrong one would otherwise raise TypeError later, at another place, or be waited for without end (NaN).
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TypeGuard

from agent_sessions.basic_errors import InvalidInput

DAY = 86_400.0
CENTURY_HOURS = 100 * 365 * 24.0
LARGEST = 2**63 - 1  # of PostgreSQL's whole numbers


def number(
    value: object, what: str, least: float, most: float = math.inf, *, above: bool = False
) -> None:
    """A finite number from `least` (excluded if `above`) to `most`."""
    if _is_number(value) and (least < value if above else least <= value) and value <= most:
        return
    bounds = f"greater than {least:g}" if above else f"{least:g} or more"
    upper = "" if most == math.inf else f" and at most {most:,.0f}"
    raise InvalidInput(f"{what} must be a number {bounds}{upper}, not {shown(value)}")


def whole(value: object, what: str, least: int = 0, most: int = LARGEST) -> None:
    """An `int` that is no `bool`."""
    if type(value) is int and least <= value <= most:
        return
    upper = "" if most == LARGEST else f" and at most {most:,}"
    raise InvalidInput(f"{what} must be a whole number, {least} or more{upper}, not {shown(value)}")


def switch(value: object, what: str) -> None:
    if not isinstance(value, bool):
        raise InvalidInput(f"{what} must be True or False, not {shown(value)}")


def age(value: object, what: str) -> None:
    """A `timedelta` of zero or more that leads to a time PostgreSQL and Python know."""
    if not isinstance(value, timedelta):
        raise InvalidInput(f"{what} must be a timedelta, not {shown(value)}")
    if not timedelta(0) <= value <= timedelta(hours=CENTURY_HOURS):
        raise InvalidInput(f"{what} must be 0 or more and at most 100 years, not {value}")


def shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}…"


def _is_number(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False

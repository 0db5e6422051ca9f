"""Parses whole numbers of addresses and forms, and converts times to the browser's milliseconds."""

from __future__ import annotations

from datetime import datetime

INTEGER = 2**31 - 1
BIGINT = 2**63 - 1
MAX_DAYS = 36_500  # a hundred years: no time is beyond what PostgreSQL and Python can hold


def whole(text: str, at_most: int = INTEGER) -> int | None:
    """None if it is not a whole number, or above the limit. `isdigit` alone accepts "²", which `int` refuses."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(at_most)):
        return None
    number = int(text)
    return number if number <= at_most else None


def milliseconds(moment: datetime | None) -> int | None:
    """Milliseconds since 1970, as in JavaScript."""
    return None if moment is None else round(moment.timestamp() * 1000)

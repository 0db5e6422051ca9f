"""Values that PostgreSQL can hold and Python cannot: read as far as possible, never written back by accident.

jsonb holds numbers of 130,000 digits and thousands of levels, timestamptz holds infinity and the year 290,000. Only
manual SQL and old agents write such values. An omitted part of a JSON value is replaced by a text that begins with
`OMITTED`; `validation` refuses to store such a text, so the value stays in the database until replaced on purpose.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, cast

import psycopg
from psycopg import adapters
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from agent_sessions.json_errors import DIGITS, fits, has_long_number
from agent_sessions.validation import OMITTED, depth

LEVELS = 200  # deeper nesting would exceed the recursion limit of readers
EARLIEST = datetime(
    2, 1, 1, tzinfo=UTC
)  # one time zone away from the first and the last that Python knows
LATEST = datetime(9999, 1, 1, tzinfo=UTC)

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def read_json(stored: str | bytes) -> Any:
    """The result of `json.loads` if possible, else that of the readable parts."""
    text = stored if isinstance(stored, str) else bytes(stored).decode()
    try:
        value = _read(text)
    except RecursionError:
        return _read(_without_deep_levels(text))
    if _may_be_deep(text) and isinstance(value, dict | list) and depth(value) > LEVELS:
        return _read(_without_deep_levels(text))
    return value


def _read(text: str) -> Any:
    if has_long_number(text):
        return json.loads(text, parse_int=_whole_number, parse_float=_number)
    return json.loads(text)


def _whole_number(digits: str) -> int | str:
    if len(digits) <= DIGITS:
        return int(digits)
    if len(digits.lstrip("-")) <= DIGITS + 1 and fits(number := int(digits)):
        return number
    return _omitted_number(digits)


def _number(digits: str) -> float | str:
    number = float(digits)
    return number if fits(number) else _omitted_number(digits)


def _omitted_number(digits: str) -> str:
    return (
        f"{OMITTED} a number of {len(digits.lstrip('-').replace('.', '')):,} digits, {digits[:20]}…"
    )


def _may_be_deep(text: str) -> bool:
    return text.count("{") + text.count("[") > LEVELS


def _without_deep_levels(text: str) -> str:
    kept: list[str] = []
    level = begun = 0
    for token in _TOKENS.finditer(text):
        mark = token[0]
        if mark in "[{":
            if level == LEVELS:
                kept += (
                    text[begun : token.start()],
                    f'"{OMITTED} nested deeper than {LEVELS} levels"',
                )
            level += 1
        elif mark in "]}":
            level -= 1
            if level == LEVELS:
                begun = token.end()
    return "".join((*kept, text[begun:]))


def readable(moment: datetime) -> datetime:
    """The nearest time that exists in every time zone."""
    if EARLIEST <= moment <= LATEST:
        return moment
    return EARLIEST if moment < EARLIEST else LATEST


def unreadable(stored: bytes) -> datetime:
    """The nearest readable time for a timestamptz that psycopg refuses, by its text."""
    return EARLIEST if stored.startswith(b"-") or stored.endswith(b"BC") else LATEST


class TimeLoader(Loader):
    """psycopg's compiled loader; for a time that it refuses, the nearest readable one."""

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        compiled = cast(type[Loader], adapters.get_loader(oid, Format.TEXT))
        self._compiled = compiled(oid, context)

    def load(self, data: Buffer) -> datetime:
        try:
            return readable(self._compiled.load(data))
        except psycopg.DataError:
            return unreadable(bytes(data))

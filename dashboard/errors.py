"""Errors that a person can correct, printed as one line without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class SetupError(Exception):
    """Set-up cannot continue. The message says what is wrong and what to do."""

    exit_code = 2

    def __str__(self) -> str:
        return " ".join(super().__str__().split())


class BadSetting(SetupError):
    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(f"{name}={value!s} cannot be used: {expected}")


def say(problem: SetupError) -> None:
    print(f"error: {problem}", file=sys.stderr, flush=True)


@contextmanager
def exit_with_message() -> Iterator[None]:
    try:
        yield
    except SetupError as problem:
        say(problem)
        raise SystemExit(problem.exit_code) from None


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

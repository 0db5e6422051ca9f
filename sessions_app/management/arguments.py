"""Types of the commands' arguments: whole numbers within bounds, finite factors, and names."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable

from django.utils.translation import gettext as _

from sessions_app.numbers import whole


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """ASCII digits only, as in addresses and forms."""

    def parse(text: str) -> int:
        number = whole(text, high)
        if number is None or number < low:
            raise ArgumentTypeError(
                _("“%(text)s” is no whole number from %(low)d to %(high)d.")
                % {"text": text[:60], "low": low, "high": high}
            )
        return number

    return parse


def factor(high: int) -> Callable[[str], float]:
    """A number above 0, with a point; not "nan", "inf" or "1_0"."""

    def parse(text: str) -> float:
        try:
            number = float(text) if text.isascii() and "_" not in text else math.nan
        except ValueError:
            number = math.nan
        if not 0 < number <= high:
            raise ArgumentTypeError(
                _("“%(text)s” is no number above 0, up to %(high)d.")
                % {"text": text[:60], "high": high}
            )
        return number

    return parse

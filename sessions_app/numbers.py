"""Numbers in addresses and forms, as anybody may write them."""

from __future__ import annotations

INTEGER = 2**31 - 1
BIGINT = 2**63 - 1


def whole(text: str, at_most: int = INTEGER) -> int | None:
    """None for what is no whole number, or a larger one. `isdigit` alone takes "²", which `int` refuses."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(at_most)):
        return None
    number = int(text)
    return number if number <= at_most else None

"""Numbers in addresses and forms, as anybody may write them."""

from __future__ import annotations


def whole(text: str, digits: int = 9) -> int | None:
    """None for what is no whole number, or has more digits. `isdigit` alone takes "²", which `int` refuses."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None

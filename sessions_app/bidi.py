"""Isolates text of agents and people, so that it cannot turn the direction of the text around it (Unicode bidi).

In HTML such text is in a `<bdi>` (the filter `isolate`) or alone in an element that base.css isolates (q, ins, del, code,
pre), through the filter `closed`. Where no element is possible (titles, labels, sentences) it is between two characters:
`isolated`.
"""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

FIRST_STRONG, END = "\u2068", "\u2069"
STARTS = frozenset("\u2066\u2067\u2068")


def isolate(text: object) -> SafeString:
    """A `<bdi>` element, for HTML."""
    return format_html("<bdi>{}</bdi>", closed(text))


def isolated(text: object) -> str:
    """Isolated by characters, where no element is possible. An empty text stays empty."""
    kept = closed(text)
    return f"{FIRST_STRONG}{kept}{END}" if kept else ""


def closed(text: object) -> object:
    """Without unmatched closing characters, which would end our isolation."""
    if isinstance(text, SafeString) or END not in (found := str(text)):
        return text
    kept, depth = [], 0
    for character in found:
        if character == END and not depth:
            continue
        depth += (character in STARTS) - (character == END)
        kept.append(character)
    return "".join(kept)

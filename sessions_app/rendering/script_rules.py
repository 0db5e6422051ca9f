"""The rules of the server that scripts follow too, as data of each page: static/js holds none of its own."""

from collections.abc import Iterable

from django.urls.converters import UUIDConverter

from ..live.limits import ACK_AFTER, ACK_BYTES, ACK_EVERY, PING_AFTER, SILENT_AFTER
from ..live.sockets import close_codes
from ..selectors.search import LAST_WORD, LOOKS_LIKE_ID
from .facets import PLACES


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def _list(values: Iterable[object]) -> str:
    return " ".join(map(str, values))


RULES = {
    "ack-every": str(ACK_EVERY),
    "ack-bytes": str(ACK_BYTES),
    "ack-after": _milliseconds(ACK_AFTER),
    "ping-after": _milliseconds(PING_AFTER),
    "silent-after": _milliseconds(SILENT_AFTER),
    "log-in-codes": _list(close_codes.LOG_IN),
    "reload-codes": _list(close_codes.RELOAD),
    "wait-longer-codes": _list(close_codes.WAIT_LONGER),
    "id-part": LOOKS_LIKE_ID,
    "id-whole": UUIDConverter.regex,
    "last-word": LAST_WORD,
    "places": _list(PLACES),
}
"""Texts, since a page in German would write 32768 as 32.768."""

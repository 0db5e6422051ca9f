"""The search language: `state:paused agent:grader context.class:7b older:2h late "free text"`."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.translation import gettext as _

from ..health import CONDITIONS
from ..listed_states import LISTED_STATES, PAUSING
from . import search_words
from .search_words import INSIDE

UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# Terms without an index: only the newest sessions are searched.
DEEP = ("text", "checkpoint", *INSIDE)
LONGEST = 500

_TOKEN = re.compile(r'(?:([^\s":]+):)?(?:"([^"]*)"|(\S+))')
_SPAN = re.compile(r"(\d{1,5})([mhdw])", re.IGNORECASE)
_ID = re.compile(r"[0-9a-fA-F-]{1,36}")
# Scripts read these two as well: no more than what Python and JavaScript have in common.
LOOKS_LIKE_ID = r"(?=[a-fA-F-]*[0-9])[0-9a-fA-F-]{4,36}"
LAST_WORD = r'(?:[^\s":]+:"[^"]*|\S*)$'
"""The last word of a search that is being typed; a quoted value with spaces belongs to its key."""


class SearchGroup(NamedTuple):
    """A group matches if any of `values` does; all groups must match."""

    key: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Search:
    groups: tuple[SearchGroup, ...] = ()
    errors: tuple[str, ...] = ()


def parse(text: str) -> Search:
    text = text.replace("\x00", "").strip()
    if len(text) > LONGEST:
        return Search(errors=(_("The search is longer than %(n)d characters.") % {"n": LONGEST},))
    wanted: dict[str, set[str]] = {}
    errors: list[str] = []
    for key, quoted, plain in _TOKEN.findall(text):
        value = (quoted or plain).strip()
        if not value:
            if key:
                errors.append(_("“%(key)s” has no value.") % {"key": key})
            continue
        found = _term(key, value, quoted=bool(quoted))
        if isinstance(found, str):
            errors.append(found)
        elif found[0] == "text":
            wanted[f"text {found[1].casefold()}"] = {found[1]}
        else:
            wanted.setdefault(found[0], set()).add(found[1])
    groups = tuple(SearchGroup(key.split()[0], frozenset(values)) for key, values in wanted.items())
    return Search(groups, tuple(errors))


def _term(key: str, value: str, *, quoted: bool) -> tuple[str, str] | str:
    """A key and a value, or the error message."""
    if not key:
        flag = None if quoted else search_words.value_of(value)
        if flag == PAUSING:
            return "state", PAUSING
        return ("condition", flag) if flag in CONDITIONS else ("text", value)
    known = search_words.key_of(key)
    if known is None:
        return _unknown_key(key)
    if known == "state":
        return _state(value)
    if known == "older" and not _SPAN.fullmatch(value):
        return _(
            "“%(value)s” is no span of time. Write older:30m, older:2h, older:3d or older:1w."
        ) % {"value": value}
    if known == "id" and not _ID.fullmatch(value):
        return _("“%(value)s” cannot be part of an id: ids have the digits 0–9 and a–f.") % {
            "value": value
        }
    return known, value


def _state(value: str) -> tuple[str, str] | str:
    name = search_words.value_of(value)
    if name in LISTED_STATES:
        return "state", name
    if name is not None:
        return "condition", name
    return no_such_state(value)


def no_such_state(value: str) -> str:
    return _("There is no state “%(value)s”. States: %(known)s.") % {
        "value": value,
        "known": _listed(search_words.VALUES[search_words.language()].values()),
    }


def seconds(span: str) -> int:
    """The seconds of a span that `parse` has accepted."""
    found = _SPAN.fullmatch(span)
    return int(found[1]) * UNITS[found[2].lower()] if found else 0


def is_deep(key: str) -> bool:
    return key.startswith(DEEP)


def _unknown_key(key: str) -> str:
    near = difflib.get_close_matches(key.lower(), search_words.all_keys(), n=1)
    if near:
        return _("The search does not know “%(key)s:”. Did you mean “%(near)s:”?") % {
            "key": key,
            "near": near[0],
        }
    return _("The search does not know “%(key)s:”. It knows %(known)s.") % {
        "key": key,
        "known": _listed(
            f"{name}…:" if name.endswith(".") else f"{name}:"
            for name in search_words.KEYS[search_words.language()].values()
        ),
    }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def looks_like_id(text: str) -> bool:
    return re.fullmatch(LOOKS_LIKE_ID, text) is not None

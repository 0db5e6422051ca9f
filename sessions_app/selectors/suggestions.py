"""What may follow in the search box: keys, and the values that the newest sessions have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection
from django.utils.translation import gettext as _

from ..choices import CONDITIONS, STATES
from ..listed_states import PAUSING
from ..permissions import Access
from . import search_words

MOST = 10
LONGEST = 60

# Without a limit `types` is NULL.
_VISIBLE = "(%(types)s::text[] IS NULL OR agent_type = ANY(%(types)s::text[]))"
_TYPES = f"""
SELECT agent_type FROM agent_session_counts WHERE {_VISIBLE} GROUP BY 1 HAVING sum(n) > 0 ORDER BY sum(n) DESC
"""  # noqa: S608 - our own words, here and below
_USERS = f"""
SELECT user_id FROM (
    SELECT user_id FROM agent_sessions WHERE {_VISIBLE} ORDER BY created_at DESC, id DESC LIMIT 3000) AS newest
WHERE user_id <> '' GROUP BY 1 ORDER BY count(*) DESC
"""  # noqa: S608
_CHECKPOINTS = f"""
SELECT name FROM agent_session_checkpoints WHERE session_id = ANY(ARRAY(
    SELECT id FROM agent_sessions WHERE {_VISIBLE} ORDER BY created_at DESC, id DESC LIMIT 200))
GROUP BY 1 ORDER BY count(*) DESC LIMIT 500
"""  # noqa: S608
_NEWEST = """
SELECT {part} #> %(path)s AS it FROM agent_sessions
WHERE {visible} ORDER BY created_at DESC, id DESC LIMIT 300
"""
_KEYS = """
SELECT key FROM ({newest}) AS newest, LATERAL jsonb_object_keys(
    CASE WHEN jsonb_typeof(it) = 'object' THEN it ELSE '{{}}' END) AS key
GROUP BY 1 ORDER BY count(*) DESC LIMIT 200
"""
_VALUES = """
SELECT it #>> '{{}}' FROM ({newest}) AS newest WHERE jsonb_typeof(it) IN ('string', 'number', 'boolean')
GROUP BY 1 ORDER BY count(*) DESC LIMIT 500
"""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` replaces the word; one that ends with `:` or `.` goes on."""

    text: str
    hint: str = ""

    def as_json(self) -> dict[str, str | bool]:
        return {"text": self.text, "hint": self.hint, "goes_on": self.text.endswith((":", "."))}


def suggest(word: str, access: Access) -> list[Suggestion]:
    """Of the sessions that the caller sees; keys and values inside them only with their contents."""
    word = word.replace("\x00", "").lstrip('"')[:200]
    key, colon, start = word.partition(":")
    start = start.lstrip('"')
    inside = _inside(key)
    if inside and not access.sees_content:
        return []
    if not colon and inside is None:
        return _begin(key, access.sees_content)
    if not colon and inside is not None:
        return _paths(key.partition(".")[0], inside, access)
    values = _values_of(key, access)
    return [Suggestion(f"{key}:{_quoted(value)}") for value in _fitting(values, start)]


def _begin(start: str, content: bool) -> list[Suggestion]:
    """In the reader's words; in another language's where only those begin so."""
    mine = search_words.language()
    for language in (mine, *(one for one in search_words.KEYS if one != mine)):
        everything = _words(language, content)
        if found := [name for name in everything if name.startswith(start.lower())]:
            return [Suggestion(name, everything[name]) for name in found]
    return []


def _words(language: str, content: bool) -> dict[str, str]:
    """Each key and each flag with what it looks for."""
    hints = {
        "state": _("state"),
        "agent": _("agent type"),
        "user": _("how the user's name begins"),
        "checkpoint": _("has a checkpoint whose name begins so"),
        "context.": _("inside the context"),
        "metadata.": _("inside the metadata"),
        "older": _("started longer ago than, e.g. 2h"),
        "id": _("how the id begins"),
    }
    keys = search_words.KEYS[language]
    words = {
        (keys[key] if key.endswith(".") else f"{keys[key]}:"): hint
        for key, hint in hints.items()
        if content or key not in search_words.INSIDE
    }
    flags = {PAUSING: STATES[PAUSING], **CONDITIONS}
    values = search_words.VALUES[language]
    return words | {values[name]: str(sign.word) for name, sign in flags.items()}


def _inside(key: str) -> tuple[str, list[str], str] | None:
    part = search_words.inside_of(key)
    if part is None:
        return None
    _begun, *path, last = key.split(".")
    return part, path, last


def _paths(written: str, inside: tuple[str, list[str], str], access: Access) -> list[Suggestion]:
    part, path, start = inside
    found = _read(_within(_KEYS, part), access, path)
    before = ".".join([written, *path])
    return [Suggestion(f"{before}.{key}:") for key in _fitting(found, start) if _is_plain(key)]


def _within(sql: str, part: str) -> str:
    return sql.format(newest=_NEWEST.format(part=part, visible=_VISIBLE))


def _values_of(key: str, access: Access) -> Sequence[str]:
    match search_words.key_of(key):
        case "state":
            return list(search_words.VALUES[search_words.language_of_key(key)].values())
        case "agent":
            return _read(_TYPES, access)
        case "user":
            return _read(_USERS, access)
        case "checkpoint":
            return _read(_CHECKPOINTS, access)
        case "older":
            return ["30m", "2h", "1d", "1w"]
    inside = _inside(key)
    if inside is None:
        return []
    part, path, last = inside
    return _read(_within(_VALUES, part), access, [*path, last])


def _fitting(values: Iterable[str], start: str) -> list[str]:
    wanted = start.casefold()
    fitting = (v for v in values if v.casefold().startswith(wanted) and len(v) <= LONGEST)
    return [value for value, _n in zip(fitting, range(MOST), strict=False)]


def _is_plain(key: str) -> bool:
    return not any(sign.isspace() or sign in '":.' for sign in key)


def _quoted(value: str) -> str:
    return f'"{value}"' if any(sign.isspace() for sign in value) else value


def _read(sql: str, access: Access, path: Sequence[str] = ()) -> list[str]:
    types = None if access.types is None else sorted(access.types)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"types": types, "path": list(path)})
        return [row[0] for row in cursor.fetchall()]

"""Words of the search box: all languages are understood, the reader's are offered."""

from __future__ import annotations

from unicodedata import normalize

from django.utils.translation import get_language

from ..health import CONDITIONS
from ..listed_states import LISTED_STATES, PAUSING

INSIDE = ("context.", "metadata.")

# The search's name of a key, and the word that people type.
KEYS = {
    "en": {
        "state": "state", "agent": "agent", "user": "user", "checkpoint": "checkpoint",
        "context.": "context.", "metadata.": "metadata.", "older": "older", "id": "id",
    },
    "de": {
        "state": "status", "agent": "agent", "user": "konto", "checkpoint": "zwischenstand",
        "context.": "kontext.", "metadata.": "metadaten.", "older": "älter", "id": "kennung",
    },
}  # fmt: skip
VALUES = {
    "en": {name: name.replace("_", "-") for name in (*LISTED_STATES, *CONDITIONS)},
    "de": {
        "active": "aktiv", PAUSING: "wird-pausiert", "paused": "pausiert",
        "completed": "abgeschlossen", "failed": "fehlgeschlagen", "deleted": "gelöscht",
        "late": "überfällig", "lost": "verloren", "no_progress": "ohne-fortschritt",
    },
}  # fmt: skip
# Understood, never offered.
OTHER_KEYS = {
    "type": "agent", "typ": "agent", "agententyp": "agent", "zustand": "state",
    "benutzer": "user", "nutzer": "user", "aelter": "older",
}  # fmt: skip
OTHER_VALUES = {
    "kontakt-verloren": "lost", "ueberfaellig": "late", "geloescht": "deleted",
}  # fmt: skip

_KEYS = OTHER_KEYS | {word: name for words in KEYS.values() for name, word in words.items()}
_VALUES = OTHER_VALUES | {word: name for words in VALUES.values() for name, word in words.items()}


def language() -> str:
    """The language in which words are offered."""
    active = (get_language() or "en").partition("-")[0]
    return active if active in KEYS else "en"


def language_of_key(key: str) -> str:
    """The language of a typed key; the reader's own if several languages have the same word."""
    word, mine = _folded(key), language()
    begin = f"{word.partition('.')[0]}." if "." in word else word
    fitting = [one for one, words in KEYS.items() if begin in words.values()]
    return mine if mine in fitting or not fitting else fitting[0]


def key_of(word: str) -> str | None:
    """The search's name of a typed key.

    A path keeps its letters: `Kontext.Klasse` is `context.Klasse`.
    """
    part, dot, path = word.partition(".")
    if not dot:
        return _KEYS.get(_folded(word))
    inside = _KEYS.get(f"{_folded(part)}.")
    return f"{inside}{path}" if inside and path and not word.endswith(".") else None


def inside_of(word: str) -> str | None:
    """`context` or `metadata`, if the word begins a path inside of it."""
    part, dot, _path = word.partition(".")
    found = _KEYS.get(f"{_folded(part)}.") if dot else None
    return found.removesuffix(".") if found else None


def value_of(word: str) -> str | None:
    """A state or a condition."""
    return _VALUES.get(_folded(word).replace("_", "-"))


def as_condition(value: str) -> str | None:
    """The condition by its name in URLs, which is the same in every language."""
    name = value.lower().replace("-", "_")
    return name if name in CONDITIONS else None


def all_keys() -> list[str]:
    return [word for word in _KEYS if not word.endswith(".")]


def _folded(word: str) -> str:
    return normalize("NFC", word).lower()

"""Spelling heuristics for pupils' German: known mistakes and a few rules.

Not a dictionary: only common mistakes are found.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from demo.readability import sentences, words
from demo.words import word_list

SLIPS = {
    "erlebniss": "Erlebnis",
    "hüner": "Hühner",
    "heist": "heißt",
    "mitfaren": "mitfahren",
    "nechsten": "nächsten",
    "aufeinmal": "auf einmal",
    "eingespert": "eingesperrt",
    "plözlich": "plötzlich",
    "vieleicht": "vielleicht",
    "ausserdem": "außerdem",
    "auserdem": "außerdem",
    "garnicht": "gar nicht",
    "unfär": "unfair",
    "sowiso": "sowieso",
    "trozdem": "trotzdem",
    "nante": "nannte",
    "mitelalter": "Mittelalter",
    "vorallem": "vor allem",
    "warscheinlich": "wahrscheinlich",
    "fliest": "fließt",
    "äqator": "Äquator",
    "symphatisch": "sympathisch",
    "weis": "weiß",
    "nähmlich": "nämlich",
    "standart": "Standard",
    "rythmus": "Rhythmus",
    "interesant": "interessant",
    "entgültig": "endgültig",
    "wiederspruch": "Widerspruch",
    "daß": "dass",
    "muß": "muss",
    "wußte": "wusste",
}
# Words that are always nouns in pupils' texts.
NOUNS = word_list("nouns")
# Words followed by a clause with "dass", almost never by the pronoun "das".
THAT = re.compile(
    r"\b(?:argument(?: \w+)? ist|gesagt|sagen|finde|denkt|denke|glaube|gemerkt|gestört|dafür"
    r"|deshalb|bedeutet),?"
    r" (?:das) (?:er|sie|es|man|ich|wir|ihr|die|der|meine?|ein|in)\b",
    re.IGNORECASE,
)
MISSING_SPACE = re.compile(r"[^\W\d_]{2,}[,;!?][^\W\d_]{2,}")
SPACE_BEFORE_MARK = re.compile(r"\w +[,;!?](?!\w)")


@dataclass(frozen=True, slots=True)
class Slip:
    rule: str
    found: str
    expected: str


def check(text: str) -> list[Slip]:
    return [
        *_known_slips(text),
        *_lower_case_nouns(text),
        *_lower_case_sentences(text),
        *_that(text),
        *_punctuation(text),
    ]


def errors_per_hundred_words(text: str) -> float:
    total = len(words(text))
    return 100 * len(check(text)) / total if total else 0.0


def _known_slips(text: str) -> Iterator[Slip]:
    for word in words(text):
        if (expected := SLIPS.get(word.lower())) is not None:
            yield Slip("Rechtschreibung", word, expected)


def _lower_case_nouns(text: str) -> Iterator[Slip]:
    for word in words(text):
        if word in NOUNS:
            yield Slip("Großschreibung", word, word.capitalize())


def _lower_case_sentences(text: str) -> Iterator[Slip]:
    """Only after a sentence that really ended: not after a direct question inside quotes."""
    before = ""
    for sentence in sentences(text):
        first = words(sentence)[0]
        if before.endswith((".", "!", "?")) and first[0].islower() and sentence[0].isalpha():
            yield Slip("Satzanfang", first, first.capitalize())
        before = sentence


def _that(text: str) -> Iterator[Slip]:
    for hit in THAT.finditer(text):
        yield Slip("das/dass", hit.group(), re.sub(r"\bdas\b", "dass", hit.group()))


def _punctuation(text: str) -> Iterator[Slip]:
    for hit in MISSING_SPACE.finditer(text):
        yield Slip("Zeichensetzung", hit.group(), re.sub(r"([,;!?])", r"\1 ", hit.group()))
    for hit in SPACE_BEFORE_MARK.finditer(text):
        yield Slip("Zeichensetzung", hit.group(), hit.group().replace(" ", ""))

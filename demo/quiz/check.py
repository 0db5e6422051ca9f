"""Checks whether a pupil's answer is right: numbers by value, words with tolerance."""

import re
import unicodedata
from decimal import Decimal, DivisionByZero, InvalidOperation
from enum import StrEnum
from fractions import Fraction

from demo.quiz.bank import Question

FILLERS = re.compile(
    r"^(?:(?:ich (?:glaube|denke|meine)|also|ähm|das (?:ist|war|heißt)|es (?:ist|war)|er (?:ist|heißt)"
    r"|sie heißt|die antwort (?:ist|lautet)|vielleicht|x\s*=)[\s,:]*)+",
    re.IGNORECASE,
)
ARTICLE = re.compile(r"^(?:der|die|das|dem|den|des|ein|eine|einen|im|am|in)\s+(?=\S)")
UNIT = re.compile(r"\s*(?:cm²?|m|km|€|euro|grad|°|%|minuten|min|prozent)$")
FRACTION = re.compile(r"^(-?\d+)\s*/\s*(\d+)$")
FORGIVING_FROM = 6


class Verdict(StrEnum):
    RIGHT = "richtig"
    NEARLY = "fast richtig"
    WRONG = "falsch"


def check(question: Question, answer: str) -> Verdict:
    given = normalise(answer)
    accepted = [normalise(right) for right in question.answers]
    if not given:
        return Verdict.WRONG
    if given in accepted or _same_number(given, accepted):
        return Verdict.RIGHT
    if given in {normalise(mistake) for mistake in question.mistakes}:
        return Verdict.WRONG
    if any(_one_slip(given, right) for right in accepted):
        return Verdict.NEARLY
    return Verdict.WRONG


def normalise(answer: str) -> str:
    """Lower case, without filler words, leading article, closing marks or quotes."""
    text = unicodedata.normalize("NFC", answer).strip().strip("„“\"'").rstrip(".!?… ").lower()
    text = FILLERS.sub("", text)
    text = re.sub(r"\s+", " ", text.replace("−", "-")).strip("„“\"' ")
    return ARTICLE.sub("", text)


def number(text: str) -> Fraction | None:
    bare = UNIT.sub("", text)
    if (parts := FRACTION.match(bare)) is not None:
        return Fraction(int(parts[1]), int(parts[2])) if int(parts[2]) else None
    if not re.fullmatch(r"-?\d+(?:[.,]\d+)?", bare):
        return None
    try:
        return Fraction(Decimal(bare.replace(",", ".")))
    except (InvalidOperation, DivisionByZero):
        return None


def _same_number(given: str, accepted: list[str]) -> bool:
    value = number(given)
    return value is not None and any(number(right) == value for right in accepted)


def _one_slip(given: str, right: str) -> bool:
    """Whether one letter is wrong, missing, added or swapped. Only for words long enough."""
    if len(right) < FORGIVING_FROM or number(right) is not None:
        return False
    return _distance_at_most_one(_plain(given), _plain(right))


def _plain(text: str) -> str:
    for umlaut, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
        text = text.replace(umlaut, letters)
    return text


def _distance_at_most_one(one: str, other: str) -> bool:
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), None)
    if start is None:
        return True
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[start + 1 : start + 2] + short[start] + short[start + 2 :]
    return short[start + 1 :] == long[start + 1 :] or swapped == long[start:]

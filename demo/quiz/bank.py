"""Questions as plain text files, one subject each: question | right | usual mistakes | hint."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Question:
    number: int
    text: str
    answers: tuple[str, ...]
    mistakes: tuple[str, ...]
    hint: str


def subjects() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.txt"))


@cache
def load(subject: str) -> tuple[Question, ...]:
    lines = (FOLDER / f"{subject}.txt").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    return tuple(_parse(number, row) for number, row in enumerate(rows, start=1))


def _parse(number: int, row: str) -> Question:
    text, answers, mistakes, hint = (part.strip() for part in row.split(" | "))
    return Question(number, text, _several(answers), _several(mistakes), hint)


def _several(part: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in part.split(";"))

"""The bundled essays by class, and reading one."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "texts"


@dataclass(frozen=True, slots=True)
class SchoolClass:
    name: str
    subject: str
    task: str
    teacher: str
    head: str
    essays: tuple[str, ...]

    @property
    def year(self) -> int:
        return school_year(self.name)


@cache
def classes() -> dict[str, SchoolClass]:
    stored = tomllib.loads((FOLDER / "classes.toml").read_text(encoding="utf-8"))
    return {
        name: SchoolClass(name=name, essays=essays_of(name), **facts)
        for name, facts in stored.items()
    }


def essays_of(class_name: str) -> tuple[str, ...]:
    return tuple(
        sorted(f"{class_name}/{file.stem}" for file in (FOLDER / class_name).glob("*.txt"))
    )


def school_year(class_name: str) -> int:
    found = re.match(r"\d+", class_name)
    return int(found.group()) if found else 7


def size(essay: str) -> int:
    return _file(essay).stat().st_size


def read(essay: str) -> str:
    """Raises UnicodeDecodeError with the file's name if it is not UTF-8."""
    try:
        return _file(essay).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        where = f"{error.reason} in {essay}.txt"
        raise UnicodeDecodeError(
            error.encoding, error.object, error.start, error.end, where
        ) from error


def _file(essay: str) -> Path:
    file = (FOLDER / f"{essay}.txt").resolve()
    if not file.is_relative_to(FOLDER.resolve()):
        raise ValueError(f"{essay!r} is no essay of ours")
    return file


def portions(text: str, size: int = 30) -> list[str]:
    """Portions of at least `size` words, each ending with a sentence; the last one may be shorter."""
    found: list[str] = []
    current: list[str] = []
    for word in text.split():
        current.append(word)
        if len(current) >= size and word[-1] in ".!?“":
            found.append(" ".join(current))
            current = []
    return [*found, " ".join(current)] if current else found


def shares(essays: list[str], parts: int) -> list[list[str]]:
    """Distributes by length: the longest first, each to the shortest share so far."""
    piles: list[list[str]] = [[] for _ in range(max(1, min(parts, len(essays))))]
    for essay in sorted(essays, key=size, reverse=True):
        min(piles, key=lambda pile: sum(map(size, pile))).append(essay)
    return [sorted(pile) for pile in piles]

"""Word lists, one word a line."""

from pathlib import Path

FOLDER = Path(__file__).parent


def word_list(name: str) -> frozenset[str]:
    return frozenset((FOLDER / f"{name}.txt").read_text(encoding="utf-8").split())

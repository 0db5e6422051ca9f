"""Finds misspelled settings: an ignored `DATABSE_URL` would silently lead to another database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from dashboard.errors import SetupError

LIKENESS = 0.85
LONG = 8  # characters; shorter names are often similar to variables of other programs


def refuse_misspelled(variables: Mapping[str, str], settings: Collection[str]) -> None:
    """Raises SetupError for a variable that resembles an unset setting. Empty means unset."""
    known = {*settings, *(f"{name}_FILE" for name in settings)}
    given = {name.removesuffix("_FILE") for name in known if variables.get(name)}
    unset = [name for name in sorted(known) if name.removesuffix("_FILE") not in given]
    for name in sorted(set(variables) - known):
        if meant := _meant(name, unset):
            raise SetupError(f"{name} is no setting: {meant} may be meant; correct or unset it")


def _meant(name: str, settings: list[str]) -> str | None:
    long = [each for each in settings if len(each) >= LONG]
    close = get_close_matches(name, long, n=1, cutoff=LIKENESS)
    swapped = [each for each in settings if _two_letters_swapped(name, each)]
    return next(iter([*close, *swapped]), None)


def _two_letters_swapped(name: str, other: str) -> bool:
    if len(name) != len(other):
        return False
    at = [place for place in range(len(name)) if name[place] != other[place]]
    return (
        len(at) == 2
        and at[1] == at[0] + 1
        and (name[at[0]], name[at[1]]) == (other[at[1]], other[at[0]])
    )

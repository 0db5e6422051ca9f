"""The paths an edit met, as the edit page and the admin show them side by side and take the decision."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from agent_sessions import InvalidInput, PathConflict, validation
from agent_sessions.patch import MISSING, Change, apply

from . import given_json

FIELD = "conflict"
MAX_SHOWN = 2_000
MAX_ROWS = 1_000
CHOICES = ("there", "mine")


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """Texts are bounded and only for showing; None: nothing is there. `choice` is one of CHOICES, or empty."""

    number: int
    part: str
    path: tuple[str, ...]
    loaded: str | None
    now: str | None
    mine: str | None
    actor: str
    at: datetime | None
    choice: str = ""

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def choice_name(self) -> str:
        return f"choice-{self.number}"

    @property
    def hidden(self) -> str:
        """The row as the form sends it back."""
        at = self.at.isoformat() if self.at else ""
        texts = [self.loaded, self.now, self.mine, self.actor, at]
        return json.dumps([self.part, self.path, *texts], ensure_ascii=False)


def rows_of(conflicts: Iterable[PathConflict]) -> list[ConflictRow]:
    return [
        ConflictRow(
            number,
            c.part,
            c.path,
            _text(c.loaded),
            _text(c.now),
            _text(c.mine),
            c.actor or "",
            c.at,
        )
        for number, c in enumerate(conflicts)
    ][:MAX_ROWS]


def _text(value: Any) -> str | None:
    if value is MISSING:
        return None
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]} …"


def read_rows(post: QueryDict) -> list[ConflictRow]:
    """Those of the form that was sent, each with its decision. What is no row is left out."""
    found = (_row(i, text, post) for i, text in enumerate(post.getlist(FIELD)[:MAX_ROWS]))
    return [row for row in found if row is not None]


def _row(number: int, text: str, post: QueryDict) -> ConflictRow | None:
    try:
        part, path, loaded, now, mine, actor, at = given_json.read(text)
        moment = validation.moment(at, "at") if at else None
    except (InvalidInput, TypeError, ValueError):
        return None
    texts = (loaded, now, mine)
    if not path or not all(isinstance(step, str) for step in [part, actor, *path]):
        return None
    if not all(shown is None or isinstance(shown, str) for shown in texts):
        return None
    choice = post.get(f"choice-{number}", "")
    known = choice if choice in CHOICES else ""
    return ConflictRow(number, part, tuple(path), *texts, actor, moment, known)


def decided(
    part: str, value: dict[str, Any], now: dict[str, Any], rows: Iterable[ConflictRow]
) -> dict[str, Any]:
    """`value` with what is there now wherever that was decided for. Raises InvalidInput while a decision is missing."""
    own = [row for row in rows if row.part == part]
    if any(not row.choice for row in own):
        raise InvalidInput(_("Decide for each path that was changed by both which value counts."))
    changes = [
        Change(row.path, MISSING, _at(now, row.path)) for row in own if row.choice == "there"
    ]
    apply(value, changes)
    return value


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value

"""Conflicting paths of an edit with their decisions, on the edit page and in the admin."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from agent_sessions import InvalidInput, PathConflict, validation
from agent_sessions.json_merge import MISSING, Change, apply

from . import json_input

FIELD = "conflict"
MAX_SHOWN = 2_000
MAX_ROWS = 200  # a form may have a thousand fields
CHOICES = ("there", "mine")


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """Texts are shortened for display; None if there is no value.

    `choice` is one of CHOICES, or empty.
    """

    number: int
    part: str
    path: tuple[str, ...]
    loaded: str | None
    now: str | None
    mine: str | None
    actor: str
    at: datetime | None
    choice: str = ""
    # the last row of a long list stands for the omitted ones too
    more: tuple[tuple[str, ...], ...] = ()

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def choice_name(self) -> str:
        return f"choice-{self.number}"

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        return (self.path, *self.more)

    @property
    def hidden(self) -> str:
        """The row as the value of a hidden field, which the form sends back."""
        at = self.at.isoformat() if self.at else ""
        texts = [self.loaded, self.now, self.mine, self.actor, at, self.more]
        return json.dumps([self.part, self.path, *texts], ensure_ascii=False)


def rows_of(conflicts: Sequence[PathConflict]) -> list[ConflictRow]:
    """One row for each path; paths beyond the limit are decided together with the last one."""
    rows = [
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
        for number, c in enumerate(conflicts[:MAX_ROWS])
    ]
    if len(conflicts) > MAX_ROWS:
        rows[-1] = replace(rows[-1], more=tuple(c.path for c in conflicts[MAX_ROWS:]))
    return rows


def _text(value: Any) -> str | None:
    if value is MISSING:
        return None
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]} …"


def read_rows(post: QueryDict) -> list[ConflictRow]:
    """Rows of the sent form with their decisions; invalid rows are ignored."""
    found = (_row(i, text, post) for i, text in enumerate(post.getlist(FIELD)[:MAX_ROWS]))
    return [row for row in found if row is not None]


def _row(number: int, text: str, post: QueryDict) -> ConflictRow | None:
    try:
        part, path, loaded, now, mine, actor, at, more = json_input.read(text)
        moment = validation.moment(at, "at") if at else None
    except (InvalidInput, TypeError, ValueError):
        return None
    texts = (loaded, now, mine)
    if not _are_paths([path]) or not _are_paths(more) or not _are_paths([[part, actor]]):
        return None
    if not all(shown is None or isinstance(shown, str) for shown in texts):
        return None
    choice = post.get(f"choice-{number}", "")
    known = choice if choice in CHOICES else ""
    also = tuple(tuple(other) for other in more)
    return ConflictRow(number, part, tuple(path), *texts, actor, moment, known, also)


def _are_paths(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(path, list) and path and all(isinstance(step, str) for step in path)
        for path in values
    )


def decided(
    part: str, value: dict[str, Any], now: dict[str, Any], rows: Iterable[ConflictRow]
) -> dict[str, Any]:
    """`value` with the current value wherever that was chosen.

    Raises InvalidInput if a decision is missing.
    """
    own = [row for row in rows if row.part == part]
    if any(not row.choice for row in own):
        raise InvalidInput(_("Decide for each path that was changed by both which value counts."))
    changes = [
        Change(path, MISSING, _at(now, path))
        for row in own
        if row.choice == "there"
        for path in row.paths
    ]
    apply(value, changes)
    return value


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value

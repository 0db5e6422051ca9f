"""One row of the list, drawn by one template, for the page and for the feed alike."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from html import escape

from django.template.loader import get_template
from django.utils import translation
from django.utils.safestring import SafeString

from ..health import Rule
from ..numbers import milliseconds
from ..selectors.rows import Row
from . import time_format

RowParts = tuple[str, ...]
"""A row's HTML without what `DYNAMIC_FIELDS` tells: what has the same looks differs only in that."""


def render_row_in(row: Row, *, language: str) -> SafeString:
    """As `render_row`, in this language."""
    with translation.override(language):
        return render_row(row)


def row_parts(row: Row, *, language: str) -> RowParts:
    with translation.override(language):
        return _row_parts(row)


def _row_parts(row: Row) -> RowParts:
    return _static_parts(
        _without_dynamic_fields(row), row.rule, row.removal_at, translation.get_language()
    )


def render_row(row: Row) -> SafeString:
    """The same for every viewer of a language: what a viewer may do is not drawn into the row."""
    parts = list(_row_parts(row))
    parts[1::2] = [escape(str(DYNAMIC_FIELDS[name](row))) for name in parts[1::2]]
    return SafeString("".join(parts))  # the template has escaped its parts


# What beats, the clock and changes that show nowhere else change: put into a row whenever it is shown.
DYNAMIC_FIELDS: dict[str, Callable[[Row], object]] = {
    "version": lambda row: row.version,
    "health": lambda row: row.health,
    "beat_ms": lambda row: milliseconds(row.last_heartbeat),
    "beat_iso": lambda row: row.last_heartbeat and row.last_heartbeat.isoformat(),
    "beat_at": lambda row: row.last_heartbeat and time_format.format_absolute(row.last_heartbeat),
    "beat_age": lambda row: time_format.format_duration(_since(row.last_heartbeat, row)),
    "progress_ms": lambda row: milliseconds(row.last_progress),
    "progress_iso": lambda row: row.last_progress and row.last_progress.isoformat(),
    "progress_at": lambda row: row.last_progress and time_format.format_absolute(row.last_progress),
    "progress_age": lambda row: time_format.format_duration(_since(row.last_progress, row)),
    "running": lambda row: time_format.format_duration_long(_since(row.created_at, row)),
}
# PostgreSQL stores no NUL, so no text of an agent can look like such a place.
PLACEHOLDERS = {name: f"\0{name}\0" for name in DYNAMIC_FIELDS}


def _since(moment: datetime | None, row: Row) -> float:
    return time_format.seconds_between(moment or row.read_at, row.read_at)


def _without_dynamic_fields(row: Row) -> Row:
    """The row with the values of `DYNAMIC_FIELDS` left out: the key of the cached HTML, and all that the template gets."""
    day = time_format.day_of(row.read_at)
    return replace(
        row,
        version=0,
        read_at=day,
        last_heartbeat=row.last_heartbeat and day,
        last_progress=row.last_progress and day,
        user_id=row.user_id[:201],  # one more than is shown
        updated_at=None,
        checkpoint_at=None,
        order_version=int(row.order_open),
        order_verb=row.order_verb if row.order_open else None,
        order_actor=None,
        ordered_at=None,
        acknowledged_version=0,
        parts=None,
        parts_at_work=None,
    )


@lru_cache(maxsize=2000)
def _static_parts(
    still: Row, rule: Rule, removal_at: datetime | None, _language: str | None
) -> RowParts:
    """What stays the same, with the names of what is put between."""
    context = {"row": still, "rule": rule, "removal_at": removal_at, "live": PLACEHOLDERS}
    return tuple(get_template("sessions/list/_row.html").render(context).split("\0"))

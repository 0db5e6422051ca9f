"""Cached parts of a row never show outdated values."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from sessions_app.rendering import row_html
from sessions_app.selectors.rows import Row
from tests.support.rows import render_row_in

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
ROW = Row(
    id=UUID(int=7),
    version=3,
    state="active",
    agent_type="grader",
    user_id="maria",
    created_at=NOW - timedelta(hours=2),
    updated_at=NOW - timedelta(minutes=3),
    last_heartbeat=NOW - timedelta(seconds=4),
    last_progress=NOW - timedelta(minutes=3),
    ended_at=None,
    order_version=0,
    order_verb=None,
    order_actor=None,
    ordered_at=None,
    acknowledged_version=0,
    refused_writes=0,
    checkpoint_count=2,
    checkpoint_name="essay",
    checkpoint_at=NOW - timedelta(minutes=3),
    read_at=NOW,
)
OTHER: dict[str, list[Any]] = {
    "id": [UUID(int=8)],
    "version": [4],
    "state": ["paused", "completed", "failed", "deleted", "odd"],
    "agent_type": ["tutor"],
    "user_id": ["otto", "x" * 400],
    "created_at": [None, NOW - timedelta(days=3), NOW - timedelta(days=400)],
    "updated_at": [None, NOW],
    "last_heartbeat": [None, *(NOW - timedelta(seconds=silent) for silent in (5, 40, 200, 9000))],
    "last_progress": [None, NOW - timedelta(hours=1)],
    "ended_at": [NOW - timedelta(minutes=1)],
    "order_version": [4],
    "order_verb": ["pause", "rollback"],
    "order_actor": ["olga"],
    "ordered_at": [NOW],
    "acknowledged_version": [4],
    "refused_writes": [1, 2],
    "parts": [2],
    "parts_at_work": [1],
    "checkpoint_count": [0, 1, 3],
    "checkpoint_name": ["", "exam"],
    "checkpoint_at": [None],
    "read_at": [NOW + timedelta(seconds=later) for later in (1, 27, 130, 3600, 86_400, 366 * 86_400)],
}  # fmt: skip
OPEN = replace(ROW, state="paused", order_verb="pause", order_version=4)
IN_TRASH = replace(ROW, state="deleted", order_verb="delete", ordered_at=NOW, ended_at=NOW)


def anew(row: Row, language: str = "de") -> str:
    row_html._static_parts.cache_clear()
    return render_row_in(row, language=language)


def test_every_column_has_another_value_here() -> None:
    assert set(OTHER) == {field.name for field in fields(Row)}


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("known", [ROW, OPEN, IN_TRASH], ids=["active", "ordered", "in the trash"])
def test_a_row_that_was_drawn_before_is_drawn_as_if_it_were_the_first(
    known: Row, name: str
) -> None:
    for value in OTHER[name]:
        changed = replace(known, **{name: value})
        wanted = anew(changed)
        anew(known)
        assert render_row_in(changed, language="de") == wanted
        assert render_row_in(known, language="de") == anew(known)


def test_a_beat_and_the_time_that_passes_draw_nothing_anew() -> None:
    first = anew(ROW)
    later = replace(ROW, read_at=NOW + timedelta(seconds=50), last_heartbeat=NOW)
    then = render_row_in(later, language="de")
    assert row_html._static_parts.cache_info().misses == 1
    assert ('data-health="on_time"' in first) and ('data-health="late"' in then)


def test_each_language_and_each_rule_has_its_own(settings: Any) -> None:
    german = anew(ROW)
    assert render_row_in(ROW, language="en") != german
    settings.HEARTBEAT_RULES = {"default": {"late": 2, "lost": 3, "no_progress": 5}}
    assert 'data-late="2"' in render_row_in(ROW, language="de")
    settings.TRASH_DAYS = 1
    soon = render_row_in(IN_TRASH, language="de")
    settings.TRASH_DAYS = 20
    assert render_row_in(IN_TRASH, language="de") != soon


def test_no_more_is_kept_than_forty_pages_show() -> None:
    for n in range(2_100):
        render_row_in(replace(ROW, id=UUID(int=n)), language="de")
    assert row_html._static_parts.cache_info().currsize == 2_000

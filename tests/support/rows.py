"""A row of the list, rendered in a given language."""

from __future__ import annotations

from django.utils import translation

from sessions_app.rendering.row_html import RowParts, render_row, row_parts
from sessions_app.selectors.rows import Row


def render_row_in(row: Row, *, language: str) -> str:
    with translation.override(language):
        return render_row(row)


def row_parts_in(row: Row, *, language: str) -> RowParts:
    with translation.override(language):
        return row_parts(row)

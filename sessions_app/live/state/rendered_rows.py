"""Changed rows, read with one query and rendered once per language, in the database thread."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError
from django.utils import translation

from sessions_app.rendering.row_html import RowParts, fill_in, row_parts
from sessions_app.selectors.rows import Row, rows_by_id

from ..sockets.frames import row_fragment

log = logging.getLogger(__name__)


class RenderedRow(NamedTuple):
    """`fragment`: its entry in a frame; None if the pages have its parts.

    `parts`: None if rendering failed.
    """

    fragment: str | None
    parts: RowParts | None


@dataclass(slots=True)
class RowSnapshot:
    """`rendered`: id → language → row."""

    rows: dict[str, Row] = field(default_factory=dict)
    rendered: dict[str, dict[str, RenderedRow]] = field(default_factory=lambda: defaultdict(dict))
    missing: set[str] = field(default_factory=set)

    def entry(self, row: Row, language: str, belongs: bool) -> str:
        """The row in a frame. Raises KeyError if it was not read in this language."""
        session_id = str(row.id)
        found = self.rendered[session_id][language]
        if found.fragment is None:  # some pages lack these parts
            found = self.rendered[session_id][language] = _render(row, language, None)
        return f"{found.fragment}{'true' if belongs else 'false'}}}"


def render_rows(sent: Mapping[str, Mapping[str, RowParts | None]]) -> RowSnapshot:
    """`sent`: id → languages on pages → the parts that they have, if known."""
    found = RowSnapshot(rows_by_id(sent))
    for session_id, languages in sent.items():
        if row := found.rows.get(session_id):
            for language, known in languages.items():
                found.rendered[session_id][language] = _render(row, language, known)
        else:
            found.missing.add(session_id)
    return found


def _render(row: Row, language: str, known: RowParts | None) -> RenderedRow:
    """A row that cannot be rendered lacks its HTML; the others are not affected."""
    session_id = str(row.id)
    try:
        with translation.override(language):
            parts = row_parts(row)
            if parts == known:
                return RenderedRow(None, parts)
            html = fill_in(parts, row)
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        log.exception("session %s cannot be rendered", session_id)
        return RenderedRow(row_fragment(session_id, row.version, None), None)
    return RenderedRow(row_fragment(session_id, row.version, html), parts)

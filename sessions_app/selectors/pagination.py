"""Keyset pagination: a page is what comes after (or before) a row, however deep."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from ..models import AgentSession
from .rows import Row, from_values, with_row_columns

PAGE_SIZE = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PageKey:
    created_at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{(self.created_at - _EPOCH) // timedelta(microseconds=1)}-{self.id.hex}"

    @classmethod
    def parse(cls, text: str) -> "PageKey | None":
        micros, _, digits = text.partition("-")
        try:
            return cls(_EPOCH + timedelta(microseconds=int(micros)), UUID(digits))
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class PageOfRows:
    """`previous` and `next` are the keys of the neighbouring pages in the list's order, if any."""

    rows: Sequence[Row]
    previous: PageKey | None = None
    next: PageKey | None = None


def read_page(
    sessions: QuerySet[AgentSession],
    *,
    after: PageKey | None = None,
    before: PageKey | None = None,
    descending: bool = True,
    size: int = PAGE_SIZE,
) -> PageOfRows:
    backwards = before is not None
    key = before or after
    downwards = descending != backwards
    if key:
        sessions = sessions.filter(_beyond(key, downwards=downwards))
    order = ("-created_at", "-id") if downwards else ("created_at", "id")
    found: list[dict[str, Any]] = list(with_row_columns(sessions.order_by(*order))[: size + 1])
    more = len(found) > size
    rows = [from_values(values) for values in found[:size]]
    if backwards:
        rows.reverse()
    return PageOfRows(
        rows,
        previous=_key(rows, 0) if (more if backwards else key is not None) else None,
        next=_key(rows, -1) if (more or backwards) else None,
    )


def _beyond(key: PageKey, *, downwards: bool) -> Q:
    """A range for the index, and for equal times a comparison of ids."""
    way = "lt" if downwards else "gt"
    further = Q(**{f"created_at__{way}": key.created_at}) | Q(**{f"id__{way}": key.id})
    return Q(**{f"created_at__{way}e": key.created_at}) & further


def _key(rows: Sequence[Row], index: int) -> PageKey | None:
    created_at = rows[index].created_at if rows else None
    return None if created_at is None else PageKey(created_at, rows[index].id)

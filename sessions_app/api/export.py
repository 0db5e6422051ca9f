"""The audit trail as a file: who did what, when and why. Streamed, with constant memory."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated, Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse
from ninja import Field, Path, Router, Schema

from agent_sessions import InvalidInput

from ..choices import KINDS
from ..models import AgentSession, HistoryEntry
from ..permissions import EXPORT, access
from ..querysets import HistoryQuerySet
from .authentication import FromQuery, require
from .parameters import UrlMoment
from .schemas import HistoryItem
from .sessions import require_visible

router = Router(tags=["export"])

CHUNK = 500
COLUMNS = (
    "at", "session_id", "version", "kind", "verb", "from_state", "to_state", "actor", "reason", "source",
    "checkpoint_n", "checkpoint_name", "paths", "epoch", "change_id", "detail",
)  # fmt: skip
# Spreadsheets run a formula at the beginning of a cell; with another separator a cell begins inside of ours, too.
FORMULA = re.compile(r"(\A|[;\t\r\n])(?=[\s\"']*[=+\-@＝＋－＠]|[\t\r])")
BOM = "\ufeff"  # without it Excel does not read the file as UTF-8


FORMATS = ["csv", "excel.csv", "json"]
Format = Annotated[str, Path(enum=FORMATS)]
LIST = {"type": "array", "items": {"$ref": "#/components/schemas/HistoryItem"}}
FILES = {
    "responses": {
        200: {
            "description": "The file, streamed",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/json": {"schema": LIST},
            },
        }
    }
}


class HistoryQuery(Schema):
    since: UrlMoment = Field(description="ISO 8601 with an offset")
    until: UrlMoment | None = Field(None, description="up to; without it until now")
    actor: str | None = Field(None, min_length=1)
    kind: list[str] = Field([], description=", ".join(KINDS))


@router.get(
    "/sessions/{uuid:id}/history.{format}",
    summary="All of a session's history as a file",
    openapi_extra=FILES,
)
def session_history(request: HttpRequest, id: UUID, format: Format) -> StreamingHttpResponse:
    """`format` is csv, json, or excel.csv, which a German Excel opens. Oldest first."""
    require(request, EXPORT)
    require_visible(request, id)
    entries = HistoryEntry.objects.of(id)
    if not entries.exists():
        raise Http404
    return _file(request, entries.oldest_first(), format, f"history-{id}")


@router.get(
    "/history.{format}",
    summary="The history of all sessions in a time, as a file",
    openapi_extra=FILES,
)
def whole_history(
    request: HttpRequest, format: Format, asked: FromQuery[HistoryQuery]
) -> StreamingHttpResponse:
    """`format` is csv, json, or excel.csv, which a German Excel opens. Oldest first."""
    require(request, EXPORT)
    entries = _visible(request).filter(at__gte=_aware(asked.since))
    if asked.until is not None:
        entries = entries.filter(at__lt=_aware(asked.until))
    if asked.actor is not None:
        entries = entries.filter(actor=asked.actor)
    if asked.kind:
        entries = entries.filter(kind__in=_known(asked.kind))
    return _file(request, entries.order_by("at", "session_id", "version"), format, "history")


def _visible(request: HttpRequest) -> HistoryQuerySet[HistoryEntry]:
    """The history has no agent types, so for a limited caller it is that of sessions that still exist."""
    if access(request).types is None:
        return HistoryEntry.objects.all()
    sessions = AgentSession.objects.visible_to(access(request))
    return HistoryEntry.objects.filter(session_id__in=sessions.values("id"))


def _known(kinds: list[str]) -> list[str]:
    for kind in kinds:
        if kind not in KINDS:
            raise InvalidInput(f"There is no kind “{kind[:60]}”. Kinds: {', '.join(KINDS)}.")
    return kinds


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise InvalidInput("Times need an offset, like 2026-01-31T08:00:00+01:00.")
    return moment


def _file(
    request: HttpRequest, entries: QuerySet[HistoryEntry], format: str, name: str
) -> StreamingHttpResponse:
    if format not in WRITERS:
        raise Http404("There are .csv, .excel.csv and .json.")
    content_type, write = WRITERS[format]
    content = access(request).sees_content
    rows = entries.iterator(chunk_size=CHUNK)
    items = (HistoryItem.of(entry, content=content) for entry in rows)
    return StreamingHttpResponse(
        _streamed(write(items)),
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}.{format}"',
            "Cache-Control": "no-store",
        },
    )


async def _streamed(lines: Iterator[str]) -> AsyncIterator[str]:
    """Reads in the request's own thread, which has the database connection."""
    while text := await sync_to_async(lambda: "".join(islice(lines, CHUNK)))():
        yield text


def as_json(items: Iterable[HistoryItem]) -> Iterator[str]:
    before = "["
    for item in items:
        yield f"{before}\n{item.model_dump_json()}"
        before = ","
    yield "[]" if before == "[" else "\n]\n"


def as_csv(items: Iterable[HistoryItem], separator: str = ",") -> Iterator[str]:
    yield _line(COLUMNS, separator)
    for item in items:
        values = item.model_dump(mode="json")
        yield _line((_cell(values[name]) for name in COLUMNS), separator)


def as_excel(items: Iterable[HistoryItem]) -> Iterator[str]:
    """CSV that a German Excel opens by a double click."""
    yield BOM
    yield from as_csv(items, ";")


def _line(cells: Iterable[object], separator: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, quoting=csv.QUOTE_NONNUMERIC).writerow(cells)
    return out.getvalue()


def _cell(value: Any) -> object:
    """Escapes texts that a spreadsheet would run as formulas: reasons and names are not trusted."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return FORMULA.sub(r"\1'", value) if isinstance(value, str) else value


WRITERS: dict[str, tuple[str, Callable[[Iterable[HistoryItem]], Iterator[str]]]] = {
    "json": ("application/json", as_json),
    "csv": ("text/csv; charset=utf-8", as_csv),
    "excel.csv": ("text/csv; charset=utf-8", as_excel),
}

"""The audit trail as a file."""

from __future__ import annotations

import csv
import io
import json
from urllib.parse import quote

import pytest
from asgiref.sync import sync_to_async

from sessions_app import actions
from sessions_app.api import export
from sessions_app.models import HistoryEntry

SINCE = quote("2020-01-01T00:00:00+00:00")


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def session(create, checkpoint):
    found = create(step=0)
    checkpoint(found, "step", step=1)
    actions.perform("pause", found.session_id, actor="olga", reason='=HYPERLINK("http://evil")')
    return found


async def test_a_session_s_history_as_json(viktor, session):
    response, text = await viktor.download(f"/sessions/{session.session_id}/history.json")
    assert response["Content-Type"] == "application/json"
    assert f"history-{session.session_id}.json" in response["Content-Disposition"]
    assert [entry["kind"] for entry in json.loads(text)] == ["created", "checkpoint", "order"]


async def test_a_session_s_history_as_csv(viktor, session):
    _, text = await viktor.download(f"/sessions/{session.session_id}/history.csv")
    rows = read_csv(text)
    assert [(row["kind"], row["actor"], row["verb"]) for row in rows] == [
        ("created", "grader", ""),
        ("checkpoint", "grader", ""),
        ("order", "olga", "pause"),
    ]


async def test_what_a_spreadsheet_would_run_is_text(viktor, session):
    _, text = await viktor.download(f"/sessions/{session.session_id}/history.csv")
    assert read_csv(text)[-1]["reason"].startswith("'=HYPERLINK")


async def test_everybody_s_history_in_a_time_and_of_one_person(viktor, session, create):
    await sync_to_async(create)()
    _, text = await viktor.download(f"/history.json?since={SINCE}")
    assert len(json.loads(text)) == 4
    _, text = await viktor.download(f"/history.json?since={SINCE}&actor=olga")
    assert [entry["verb"] for entry in json.loads(text)] == ["pause"]
    _, text = await viktor.download(f"/history.csv?since={SINCE}&kind=created&kind=order")
    assert [row["kind"] for row in read_csv(text)] == ["created", "order", "created"]


async def test_nothing_in_that_time_is_an_empty_file(viktor, session):
    _, text = await viktor.download(f"/history.json?since={SINCE}&until={SINCE}")
    assert json.loads(text) == []
    _, text = await viktor.download(f"/history.csv?since={SINCE}&until={SINCE}")
    assert text.startswith('"at","session_id",')


async def test_many_entries_come_in_pieces(viktor, session):
    entries = [
        HistoryEntry(
            session_id=session.session_id, version=n, at="2026-11-21T00:00:00Z", kind="context",
            epoch=0, source="agent",
        )
        for n in range(10, 1310)
    ]  # fmt: skip
    await sync_to_async(HistoryEntry.objects.bulk_create)(entries)
    _, text = await viktor.download(f"/sessions/{session.session_id}/history.json")
    assert len(json.loads(text)) == 1303


def test_a_time_without_an_offset_is_refused(viktor):
    assert viktor.get("/history.json?since=2026-01-01T00:00:00").status_code == 422
    assert viktor.get("/history.json").status_code == 422


def test_another_kind_of_file_is_not_found(viktor, session):
    assert viktor.get(f"/sessions/{session.session_id}/history.xlsx").status_code == 404


@pytest.mark.parametrize(
    "text",
    ["x;=cmd", 'x;"=cmd', "x; =cmd", "x\t=cmd", "x\n=cmd", "x\r\n+1", "x;-1", "x;@a", "＝1", " =1", "\t", "x;\t=1"],
)  # fmt: skip
def test_no_cell_is_a_formula_wherever_a_spreadsheet_splits_it(text):
    for separator in (",", ";", "\t"):
        line = export._line([export._cell(text)], separator)
        for other in (";", "\t", ","):
            for cell in next(csv.reader([line], delimiter=other)):
                assert not cell.strip().strip('"').strip().startswith(("=", "+", "-", "@", "＝"))


@pytest.mark.parametrize("text", ["", "a - b", "a=b", "1-2", "a, =b", "ä;b", "https://x?a=b"])
def test_ordinary_text_stays_as_it_is(text):
    assert export._cell(text) == text


async def test_a_german_excel_gets_a_file_of_its_own(viktor, session):
    response, text = await viktor.download(f"/sessions/{session.session_id}/history.excel.csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert text.startswith('\ufeff"at";"session_id";')
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=";"))
    assert rows[-1]["reason"].startswith("'=HYPERLINK")

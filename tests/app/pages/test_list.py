"""The list page: contents, permissions, number of queries."""

from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agent_sessions import AgentSession
from sessions_app.models import AgentSession as Stored
from sessions_app.selectors.pagination import PageKey, read_page
from sessions_app.selectors.rows import load_rows
from tests.support.rows import render_row_in

Make = Callable[..., AgentSession]


@pytest.fixture
def look(client: Client, viewer: Any) -> Client:
    client.force_login(viewer)
    return client


@pytest.fixture
def act(client: Client, operator: Any) -> Client:
    client.force_login(operator)
    return client


def text(response: Any) -> str:
    return str(response.content.decode())


class Rows(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "tr" and (given.get("id") or "").startswith("row-"):
            self.ids.append(given["data-id"] or "")
        if "style" in given or any(name.startswith("on") for name in given) or tag == "style":
            self.inline.append(f"{tag} {attrs}")
        if tag == "script" and not given.get("src"):
            self.inline.append(tag)


def test_anonymous_visitors_see_only_the_login(client: Client, db: None) -> None:
    response = client.get("/?state=active")
    assert response.status_code == 302
    assert response["Location"] == "/login/?next=/%3Fstate%3Dactive"


def test_who_has_no_right_to_look_is_told_so(client: Client, nobody: Any) -> None:
    client.force_login(nobody)
    response = client.get("/", headers={"Accept-Language": "en"})
    assert response.status_code == 403
    assert "You don't have permission" in text(response)


def test_an_empty_database_says_what_comes_next(look: Client) -> None:
    assert "Noch keine Sitzungen" in text(look.get("/"))


def test_a_filter_that_finds_nothing_says_so(look: Client, make_session: Make) -> None:
    make_session()
    page = text(look.get("/?state=paused", headers={"Accept-Language": "en"}))
    assert "No session matches" in page
    assert "Remove all filters" in page


def test_an_unknown_search_key_is_explained_and_nothing_is_shown(
    look: Client, make_session: Make
) -> None:
    make_session()
    page = text(look.get("/?q=agnt:grader", headers={"Accept-Language": "en"}))
    assert "Did you mean “agent:”?" in page
    assert Rows(page).ids == []


def test_a_viewer_sees_no_controls(look: Client, make_session: Make) -> None:
    make_session()
    page = text(look.get("/"))
    assert 'data-may-order="false"' in page
    assert "bulkbar" not in page
    assert "row-menu" not in page


def test_an_operator_sees_the_bulk_bar(act: Client, make_session: Make) -> None:
    make_session()
    assert 'id="bulk"' in text(act.get("/"))


def test_the_list_needs_as_many_queries_however_long_it_is(
    look: Client, make_session: Make
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert look.get("/?type=grader&state=active&q=maria").status_code == 200
        return len(captured)

    make_session()
    few = queries()
    for _ in range(12):
        make_session(checkpoints=("a", "b"))
    assert queries() == few <= 10


def test_pages_follow_each_other_without_gap_or_repetition(
    look: Client, make_session: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {make_session().session_id for _ in range(7)}
    seen: list[str] = []
    after = before = None
    for _ in range(4):
        page = read_page(Stored.objects.all(), after=after, size=2)
        seen += [str(row.id) for row in page.rows]
        before, after = page.previous, page.next
    assert set(seen) == made
    assert len(seen) == 7
    assert after is None
    back = read_page(Stored.objects.all(), before=before, size=2)
    assert [str(row.id) for row in back.rows] == seen[4:6]
    assert back.next is not None


def test_rows_of_one_instant_are_paged_by_id(look: Client, make_session: Make) -> None:
    made = {make_session().session_id for _ in range(5)}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE agent_sessions SET created_at = '2025-01-01 12:00:00.123456+00'")
    first = read_page(Stored.objects.all(), size=3)
    second = read_page(Stored.objects.all(), after=first.next, size=3)
    assert {str(row.id) for row in (*first.rows, *second.rows)} == made


def test_a_page_key_survives_the_address() -> None:
    key = PageKey.parse("1735732800123456-3ad76e827ecf41c58fed01d61aed7d4a")
    assert key is not None
    assert PageKey.parse(str(key)) == key
    assert key.created_at.microsecond == 123456


@pytest.mark.parametrize(
    "mangled", ["", "x", "1-", "-", "99999999999999999999-" + "a" * 32, "1-zz"]
)
def test_a_mangled_page_key_is_the_first_page(look: Client, mangled: str) -> None:
    assert look.get("/", {"after": mangled}).status_code == 200


def test_the_rail_combines_filters_and_starts_at_the_first_page(
    look: Client, make_session: Make
) -> None:
    make_session("tutor")
    page = text(look.get("/?state=active&after=1-" + "a" * 32))
    assert 'href="?state=active&amp;type=tutor"' in page
    assert page.count('aria-current="true"') >= 2  # the filter and the language


def test_hostile_texts_are_shown_as_texts(look: Client, make_session: Make) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    make_session(agent_type="<b>grader", user_id=evil, checkpoints=(evil,))
    page = text(look.get("/"))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert Rows(page).inline == []


def test_a_row_is_drawn_alike_for_page_and_feed(look: Client, make_session: Make) -> None:
    made = make_session(checkpoints=("essay_marked",))
    (row,) = load_rows([UUID(made.session_id)])
    drawn = render_row_in(row, language="de")
    stable = drawn.split("data-heartbeat")[0]
    assert stable in text(look.get("/"))
    assert "Aktiv" in drawn
    assert "Active" in render_row_in(row, language="en")


def test_rows_are_loaded_in_one_query_in_the_order_asked(
    make_session: Make, django_assert_num_queries: Any
) -> None:
    ids = [UUID(make_session(checkpoints=("a",)).session_id) for _ in range(3)][::-1]
    with django_assert_num_queries(1):
        rows = load_rows(ids)
    assert [row.id for row in rows] == ids
    assert rows[0].checkpoint_name == "a"
    assert rows[0].checkpoint_count == 2
    assert rows[0].checkpoint_at is not None


def test_the_theme_is_kept_and_drawn_by_the_server(look: Client) -> None:
    response = look.post("/preferences/theme/", {"theme": "dark", "next": "/?state=active"})
    assert response["Location"] == "/?state=active"
    assert 'data-theme="dark"' in text(look.get("/"))


def test_a_made_up_theme_or_a_foreign_address_is_ignored(look: Client) -> None:
    response = look.post("/preferences/theme/", {"theme": '"><script>', "next": "//evil.example/"})
    assert response["Location"] == "/"
    assert 'data-theme="system"' in text(look.get("/"))


@pytest.mark.parametrize(("path", "status"), [("/nothing/", 404), ("/sessions/nonsense/", 404)])
def test_pages_that_do_not_exist_say_what_next(look: Client, path: str, status: int) -> None:
    response = look.get(path)
    assert response.status_code == status
    assert "Zur Liste der Sitzungen" in text(response)


@pytest.mark.parametrize(
    ("language", "query", "sentence"),
    [
        ("en", "state=nope", "There is no state “nope”. States: active,"),
        ("de", "state=nope", "Den Status „nope“ gibt es nicht. Möglich sind: aktiv,"),
        ("en", "type=%00", "The search contains an unusable character (NUL). Please remove it."),
        (
            "de",
            "q=a%00",
            "Die Suche enthält ein unzulässiges Zeichen (NUL). Bitte entfernen Sie es.",
        ),
        ("en", "user=", "“user” has no value."),
        ("de", "q=konto:%22%22", "„konto“ hat keinen Wert."),
        ("en", "sort=name", "The list cannot be sorted by “\u2068name\u2069”."),
        ("de", "sort=name", "Die Liste kann nicht nach „\u2068name\u2069“ sortiert werden."),
        ("en", "state=nope&q=maria", "There is no state “nope”."),
    ],
)
def test_the_page_names_a_value_that_it_does_not_understand_and_shows_no_row(
    look: Client, make_session: Make, language: str, query: str, sentence: str
) -> None:
    make_session("grader")
    page = text(look.get(f"/?{query}", headers={"Accept-Language": language}))
    assert sentence in unescape(page)
    assert Rows(page).ids == []
    assert look.get(f"/bulk/matching/?{query}").json() == {"n": 0, "more": False}


def test_no_state_is_marked_as_chosen_where_it_is_not_understood(
    look: Client, make_session: Make
) -> None:
    make_session("grader")
    rail = text(look.get("/?state=nope")).split('id="rail"')[1].split("</nav>")[0]
    assert 'aria-current="true"' not in rail.split("type=grader")[0]


def test_an_unknown_kind_of_history_finds_no_entry(look: Client, make_session: Make) -> None:
    address = f"/sessions/{make_session('grader').session_id}/"
    entries = '<ol class="events"'
    assert entries in text(look.get(f"{address}?kind=created"))
    assert entries not in text(look.get(f"{address}?kind=nope"))
    assert entries not in text(look.get(f"{address}?kind=nope,%00"))

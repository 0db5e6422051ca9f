"""Saved views: own, shared, default; the wall; columns; the trash."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from agent_sessions import AgentSession
from sessions_app import actions
from sessions_app.models import AgentSession as Stored
from sessions_app.saved_views import preferences, queries
from sessions_app.saved_views.models import ListStyle, SavedView
from sessions_app.selectors.facet_counts import counts
from sessions_app.selectors.rows import load_rows
from sessions_app.watchdog.retention import DELETED_AT, trash_days
from tests.support.access import FULL

Make = Callable[..., AgentSession]
WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def olga(client: Client, operator: Any) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def viktor(viewer: Any) -> Client:
    client = Client()
    client.force_login(viewer)
    return client


def text(response: Any) -> str:
    return str(response.content.decode())


def save(client: Client, name: str, query: str, **more: str) -> SavedView:
    client.post("/views/", {"name": name, "query": query, **more})
    return SavedView.objects.latest("pk")


def test_a_view_is_the_filter_of_an_address_without_its_page(olga: Client) -> None:
    view = save(olga, "Graders", "type=grader&state=paused&state=active&after=1-aa&view=7")
    assert view.query == "state=active&state=paused&type=grader"
    page = text(olga.get(f"/{view.address}", headers=ENGLISH))
    assert '<strong class="truncate"><bdi>Graders</bdi></strong>' in page
    assert "changed-view" not in page


def test_what_differs_from_the_view_is_said_and_can_be_saved(olga: Client) -> None:
    view = save(olga, "Graders", "type=grader")
    page = text(olga.get(f"/?view={view.pk}&type=grader&state=paused", headers=ENGLISH))
    assert "changed-view" in page
    olga.post(f"/views/{view.pk}/changes/", {"query": "type=grader&state=paused"})
    view.refresh_from_db()
    assert view.query == "state=paused&type=grader"


def test_a_private_view_is_its_owners_alone_and_a_shared_one_everybodys(
    olga: Client, viktor: Client
) -> None:
    private = save(olga, "Mine", "state=paused")
    shared = save(olga, "Ours", "state=failed", shared="yes")
    page = text(viktor.get("/", headers=ENGLISH))
    assert "Ours" in page
    assert "Shared by \u2068olga\u2069" in page
    assert "Mine" not in page
    assert viktor.get(f"/wall/{private.pk}/").status_code == 404
    assert viktor.get(f"/wall/{shared.pk}/").status_code == 200
    assert viktor.post(f"/views/{private.pk}/defaults/").status_code == 404


@pytest.mark.parametrize("act", ["changes", "names", "deletions"])
def test_only_the_owner_changes_a_shared_view(olga: Client, viktor: Client, act: str) -> None:
    shared = save(olga, "Ours", "state=failed", shared="yes")
    assert viktor.post(f"/views/{shared.pk}/{act}/", {"name": "x"}).status_code == 403
    shared.refresh_from_db()
    assert (shared.name, shared.query) == ("Ours", "state=failed")


def test_a_person_has_one_view_of_a_name(olga: Client) -> None:
    save(olga, "Same", "state=failed")
    page = olga.post(
        "/views/", {"name": "Same", "query": "", "next": "/?all"}, follow=True, headers=ENGLISH
    )
    assert "You have a view called “\u2068Same\u2069” already." in text(page)
    assert SavedView.objects.count() == 1


def test_the_list_begins_with_the_default_view_and_without_filter_where_asked(
    olga: Client, viktor: Client
) -> None:
    view = save(olga, "Paused", "state=paused", shared="yes")
    viktor.post(f"/views/{view.pk}/defaults/")
    assert viktor.get("/")["Location"] == f"/?view={view.pk}&state=paused"
    assert olga.get("/").status_code == 200
    assert viktor.get("/?all").status_code == 200
    viktor.post(f"/views/{view.pk}/defaults/")
    assert viktor.get("/").status_code == 200


def test_the_default_view_that_is_deleted_is_none(olga: Client) -> None:
    view = save(olga, "Paused", "state=paused")
    olga.post(f"/views/{view.pk}/defaults/")
    olga.post(f"/views/{view.pk}/deletions/")
    assert olga.get("/").status_code == 200


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("", 3),
        ("type=grader", 2),
        ("state=active&type=tutor", 1),
        ("q=late", 1),
        ("state=deleted", 1),
        ("q=maria", 2),
        ("q=context.class:7b", 1),
        ("q=colour:red", 0),
    ],
)
def test_the_count_of_a_view_is_what_its_list_shows(
    olga: Client, operator: Any, make_session: Make, query: str, n: int
) -> None:
    make_session("grader", context={"class": "7b"})
    make_session("grader", user_id="jonas", silent=50)
    make_session("tutor")
    gone = make_session("alert")
    actions.perform("delete", gone.session_id, actor="x", reason="y")
    view = SavedView.objects.create(owner=operator, name="x", query=query)
    assert queries.view_counts([view], counts(), FULL)[view.pk].n == n
    assert olga.get("/views/counts/").json()[str(view.pk)]["n"] == n


def test_a_wall_has_no_controls_and_shows_the_view(olga: Client, make_session: Make) -> None:
    made, other = make_session("tutor"), make_session("grader")
    view = save(olga, "Tutors", "type=tutor")
    page = text(olga.get(f"/wall/{view.pk}/"))
    assert f"row-{made.session_id}" in page
    assert f"row-{other.session_id}" not in page
    assert "<form" not in page
    assert 'data-theme="dark"' in page


def test_columns_and_density_are_stored_for_the_person(olga: Client, viktor: Client) -> None:
    shown = ["heartbeat", "progress", "checkpoint", "duration"]
    olga.post("/preferences/list/", {"column": shown, "density": "compact"})
    assert 'data-hidden="user started" data-density="compact"' in text(olga.get("/"))
    assert 'data-hidden="" data-density="comfortable"' in text(viktor.get("/"))
    olga.post("/preferences/list/", {"column": ["nonsense"], "density": "huge"})
    assert ListStyle.objects.get().density == "compact"


@pytest.mark.django_db(transaction=True)
def test_two_first_choices_at_once_are_both_taken(operator: Any) -> None:
    def kept() -> ListStyle:
        try:
            return preferences.save_preferences(operator, shown=[], density="compact")
        finally:
            connections.close_all()

    with psycopg.connect(settings.DATABASE_URL) as other, ThreadPoolExecutor(1) as pool:
        insert = (
            "INSERT INTO sessions_app_liststyle (user_id, hidden, density) VALUES (%s, '[]', 'x')"
        )
        other.execute(insert, [operator.pk])
        second = pool.submit(kept)
        while not second.done() and not other.execute(WAITING).fetchone():
            time.sleep(0.01)
        other.commit()
        assert second.result(10).density == "compact"
    assert ListStyle.objects.get().density == "compact"


def test_the_trash_says_when_each_session_is_removed_for_good(
    olga: Client, make_session: Make
) -> None:
    by_order, by_agent = make_session(), make_session()
    actions.perform("delete", by_order.session_id, actor="x", reason="y")
    Stored.objects.filter(id=by_agent.session_id).update(state="deleted")
    for made in (by_order, by_agent):
        (row,) = load_rows([UUID(made.session_id)])
        deleted_at = Stored.objects.values_list(DELETED_AT).get(id=made.session_id)[0]
        assert row.removal_at == deleted_at + timedelta(days=trash_days())
    page = text(olga.get("/?state=deleted", headers=ENGLISH))
    assert page.count("Removed for good: ") >= 2
    assert "30 days after they were deleted" in page
    assert 'value="restore"' in page
    assert 'value="pause"' not in page


def test_the_palette_and_completion_need_no_inline_anything(olga: Client) -> None:
    from tests.app.pages.test_list import Rows

    save(olga, "<b>x", "state=paused")
    for path in ("/", "/?state=paused", "/wall/", "/bulk/"):
        assert Rows(text(olga.get(path))).inline == []


def test_a_filter_that_is_too_long_is_refused_rather_than_shortened(olga: Client) -> None:
    query = "&".join(f"type={'x' * 40}{n}" for n in range(200))
    olga.post("/views/", {"name": "Long", "query": query}, headers=ENGLISH)
    assert not SavedView.objects.exists()
    page = text(olga.get("/", headers=ENGLISH))
    assert "This filter is too long for a view." in page


def test_a_view_with_a_value_that_is_not_understood_counts_nothing(
    olga: Client, make_session: Make
) -> None:
    make_session("grader")
    view = save(olga, "Old", "state=asleep&q=maria")
    assert olga.get("/views/counts/").json()[str(view.pk)]["n"] == 0

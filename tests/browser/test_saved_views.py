"""Views, wall, palette, completion, title and look of the list, in a browser."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from agent_sessions import AgentSession
from sessions_app import actions
from sessions_app.saved_views.models import ListStyle, SavedView
from sessions_app.watchdog.retention import trash_days

from .test_list import psql, wait_until_live

Make = Callable[..., AgentSession]
Open = Callable[..., Page]
CON = re.compile(r"/completions/\?word=con$")


def test_a_view_is_saved_changed_and_counted_live(open_page: Open, make_session: Make) -> None:
    make_session("tutor")
    page = open_page("/?type=tutor&state=active")
    page.get_by_text("Als Ansicht speichern …").click()
    page.locator(".view-form [name=name]").fill("Tutoren")
    page.locator(".view-form button.primary").click()
    wait_until_live(page)
    expect(page.locator(".viewbar strong")).to_have_text("Tutoren")
    count = page.locator("[data-view-count] .n")
    expect(count).to_have_text("1")
    make_session("tutor")
    expect(count).to_have_text("2")
    page.locator("[data-count='state:paused']").click()
    expect(page.locator(".changed-view")).to_have_text("geändert")
    page.get_by_role("button", name="Speichern", exact=True).click()
    expect(page.locator(".changed-view")).to_have_count(0)
    assert SavedView.objects.get().query == "state=active&state=paused&type=tutor"


def test_a_wall_follows_by_itself(open_page: Open, make_session: Make, operator: Any) -> None:
    view = SavedView.objects.create(owner=operator, name="Tutoren", query="type=tutor&state=active")
    first = make_session("tutor")
    page = open_page(f"/wall/{view.pk}/")
    wait_until_live(page)
    second = make_session("tutor")
    expect(page.locator(f"#row-{second.session_id}")).to_be_visible()
    actions.perform("complete", first.session_id, actor="x")
    expect(page.locator(f"#row-{first.session_id}")).to_have_count(0)
    expect(page.locator(".tiles li").first).to_contain_text("1")
    assert page.locator("button:visible, input:visible, select:visible").count() == 0


def test_a_wall_takes_changes_that_its_rows_do_not_show(
    open_page: Open, make_session: Make, operator: Any
) -> None:
    view = SavedView.objects.create(owner=operator, name="Tutoren", query="type=tutor&state=active")
    row = f"#row-{make_session('tutor').session_id}"
    page = open_page(f"/wall/{view.pk}/")
    wait_until_live(page)
    page.route("**/wall/**", lambda route: route.abort())  # its own fetches would hide the effect
    version = int(page.locator(row).get_attribute("data-version") or 0)
    for n in (1, 2, 3):
        psql("UPDATE agent_sessions SET context = jsonb_build_object('n', %s::int)", n)
        expect(page.locator(row)).to_have_attribute("data-version", str(version + n))


def test_the_palette_goes_to_sessions_and_filters_and_orders_what_is_ticked(
    open_page: Open, make_session: Make
) -> None:
    made = make_session()
    page = open_page("/")
    wait_until_live(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("pausiert")
    expect(page.locator("#palette-list [aria-selected=true]")).to_contain_text("Pausiert")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?state=paused")
    page.keyboard.press("Control+k")
    page.keyboard.type(made.session_id)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/sessions/{made.session_id}/")
    page.goto(page.url.partition("/sessions/")[0])
    wait_until_live(page)
    page.locator("#rows input").first.check()
    page.keyboard.press("Control+k")
    page.keyboard.type("ausgewählte löschen")
    page.keyboard.press("Enter")
    expect(page.locator("dialog#dialog")).to_contain_text("Löschen: 1 Sitzung ausgewählt")


def test_the_search_box_completes_keys_and_then_values(open_page: Open, make_session: Make) -> None:
    made = make_session(context={"class": "7b"})
    other = make_session(context={"class": "8a"})
    page = open_page("/")
    page.locator("#q").click()
    page.keyboard.type("con")
    expect(page.locator("#completions li").first).to_contain_text("context.")
    page.keyboard.press("Tab")
    expect(page.locator("#completions li").first).to_contain_text("context.class:")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#completions li")).to_have_count(2)
    page.keyboard.type("7")
    expect(page.locator("#completions li")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.locator("#q")).to_have_value("context.class:7b ")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=context.class**")
    expect(page.locator(f"#row-{made.session_id}")).to_be_visible()
    expect(page.locator(f"#row-{other.session_id}")).to_have_count(0)


def test_what_no_longer_fits_is_not_offered_while_the_next_answer_is_on_its_way(
    open_page: Open, make_session: Make
) -> None:
    page = open_page("/")
    page.locator("#q").click()
    expect(page.locator("#completions li").first).to_be_visible()
    page.route("**/completions/**", lambda route: None)  # the next response never arrives
    page.keyboard.type("jxpr")
    expect(page.locator("#completions")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#q")).not_to_be_focused()


def test_who_types_before_the_page_is_ready_is_offered_what_fits(
    open_page: Open, make_session: Make
) -> None:
    page = open_page("/")

    def type_first(route: Route) -> None:
        page.locator("#q").focus()
        page.keyboard.type("con")
        route.continue_()

    page.route("**/js/list/complete*.js", type_first)
    page.reload()
    expect(page.locator("#completions")).to_contain_text("context.")


def test_an_answer_to_a_word_that_the_caret_has_left_is_not_shown(
    open_page: Open, make_session: Make
) -> None:
    page = open_page("/")

    def answer(route: Route) -> None:
        page.keyboard.press("Home")
        route.continue_()

    page.route(CON, answer)
    page.locator("#q").click()
    with page.expect_response(CON):
        page.keyboard.type("con")
    page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(page.locator("#completions")).to_be_hidden()


def test_title_and_icon_carry_the_worst_state(open_page: Open, make_session: Make) -> None:
    made = make_session()
    page = open_page("/")
    wait_until_live(page)
    expect(page).to_have_title("Sitzungen · Agentensitzungen")
    psql(
        "UPDATE agent_sessions SET last_heartbeat = now() - interval '1 h' WHERE id = %s",
        made.session_id,
    )
    expect(page).to_have_title("(1 Kontakt verloren) Sitzungen · Agentensitzungen")
    assert str(page.locator("link[rel=icon]").get_attribute("href")).startswith("data:image/svg")


def test_a_list_that_stops_being_empty_tells_who_asked_for_it(
    open_page: Open, make_session: Make
) -> None:
    page = open_page("/?state=failed", permissions=["notifications"])
    wait_until_live(page)
    page.evaluate(
        """() => {
            window.told = [];
            window.Notification = class { constructor(title, more) { window.told.push(more.body); } };
            window.Notification.permission = "granted";
            window.Notification.requestPermission = async () => "granted";
        }"""
    )
    page.locator("#look summary").click()
    page.locator("#notify").click()
    expect(page.locator("#notify")).to_have_attribute("aria-pressed", "true")
    made = make_session()
    actions.perform("fail", made.session_id, actor="x", reason="y")
    expect(page.locator("#newcomers")).to_be_visible()
    assert page.evaluate("window.told") == ["1 Sitzung ist jetzt in dieser Liste."]


def test_columns_and_density_show_at_once_and_stay(open_page: Open, make_session: Make) -> None:
    make_session()
    page = open_page("/")
    wait_until_live(page)
    page.locator("#look summary").click()
    with page.expect_response("**/preferences/list/"):
        page.locator("#look [value=user]").uncheck()
    with page.expect_response("**/preferences/list/"):
        page.locator("#look [value=compact]").check()
    expect(page.locator("th.c-user")).to_be_hidden()
    page.reload()
    expect(page.locator("th.c-user")).to_be_hidden()
    expect(page.locator("#list")).to_have_attribute("data-density", "compact")
    assert ListStyle.objects.get().hidden == ["user"]


@pytest.mark.parametrize("language", ["de", "en"])
def test_nothing_of_it_sticks_out_on_a_phone(
    open_page: Open, make_session: Make, operator: Any, language: str
) -> None:
    made = make_session()
    actions.perform("delete", made.session_id, actor="x", reason="y")
    name = "Eine Ansicht mit einem wirklich sehr langen Namen für einen Bildschirm"
    view = SavedView.objects.create(owner=operator, name=name, query="type=tutor")
    page = open_page("/", width=360, height=740, locale=language)
    base = page.url.rstrip("/")
    for path in (f"/{view.address}&state=paused", "/?state=deleted", f"/wall/{view.pk}/", "/bulk/"):
        page.goto(base + path)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path


def test_the_address_carries_the_columns_to_somebody_else(
    open_page: Open, make_session: Make
) -> None:
    make_session()
    page = open_page("/?state=active")
    wait_until_live(page)
    assert page.url.endswith("/?state=active")
    page.locator("#look summary").click()
    page.locator("#look [value=user]").uncheck()
    page.locator("#look [value=started]").uncheck()
    shown = "columns=heartbeat.progress.checkpoint.duration"
    assert page.url.endswith(f"/?state=active&{shown}")
    other = open_page(f"/?{page.url.partition('?')[2]}", as_viewer=True)
    expect(other.locator(".row .c-user")).to_be_hidden()
    expect(other.locator(".row .c-duration")).to_be_visible()
    other.locator("[data-count='type:grader']").click()
    other.wait_for_url(f"**{shown}**")
    expect(other.locator(".row .c-user")).to_be_hidden()
    for name in ("user", "started"):
        other.locator(f"#look [value={name}]").evaluate("box => box.click()")
    assert "columns=" not in other.url
    assert other.locator("a[href*='columns=']").count() == 0
    expect(other.locator(".row .c-user")).to_be_visible()


def test_a_deleted_session_says_until_when_it_can_be_restored(
    open_page: Open, make_session: Make
) -> None:
    made = make_session()
    actions.perform("delete", made.session_id, actor="olga", reason="Testlauf")
    page = open_page(f"/sessions/{made.session_id}/")
    banner = page.locator("#banner-deleted")
    day = timezone.localtime(timezone.now() + timedelta(days=trash_days()))
    expect(banner).to_contain_text(f"kann bis {day:%d.%m.%Y}, ")
    expect(banner).to_contain_text("danach wird sie endgültig gelöscht")

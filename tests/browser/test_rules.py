"""The rules of the list: moving rows, waiting rows, a lost connection, going back."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from sessions_app import actions

from .test_bulk import many
from .test_list import order_of, psql, row, wait_until_live

Make = Callable[..., AgentSession]
Open = Callable[..., Page]


def test_fourteen_newcomers_are_one_pill_and_nothing_moves(
    open_page: Open, make_session: Make
) -> None:
    first = make_session()
    page = open_page("/")
    wait_until_live(page)
    before = row(page, first).bounding_box()
    many(14)
    expect(page.locator("#newcomers")).to_have_text("14 neue Sitzungen")
    assert order_of(page) == [first.session_id]
    assert row(page, first).bounding_box() == before


def test_nothing_moves_under_the_pointer_while_rows_change(
    open_page: Open, make_session: Make
) -> None:
    made = [make_session(checkpoints=("begun",)) for _ in range(4)]
    page = open_page("/?state=active")
    wait_until_live(page)
    order = order_of(page)
    boxes = [row(page, session).bounding_box() for session in made]
    row(page, made[1]).hover()
    for verb, session in zip(("pause", "complete", "fail"), made, strict=False):
        actions.perform(verb, session.session_id, actor="olga", reason="Probe")
    many(3)
    expect(row(page, made[2])).to_have_class("row left")
    expect(page.locator("#newcomers")).to_have_text("3 neue Sitzungen")
    assert order_of(page) == order
    assert [row(page, session).bounding_box() for session in made] == boxes
    assert page.evaluate("(id) => document.getElementById(id).matches(':hover')", f"row-{order[2]}")


def test_the_order_holds_whatever_would_sort_elsewhere(open_page: Open, make_session: Make) -> None:
    made = [make_session() for _ in range(3)]
    page = open_page("/")
    wait_until_live(page)
    order = order_of(page)
    psql(
        "UPDATE agent_sessions SET created_at = now() + interval '1 h', user_id = 'moved' WHERE id = %s",
        made[0].session_id,
    )
    expect(row(page, made[0])).to_contain_text("moved")
    assert order_of(page) == order
    page.keyboard.press("r")
    expect(page.locator("#rows > tr").first).to_have_id(f"row-{made[0].session_id}")


def test_a_lost_connection_is_said_and_what_was_missed_comes(
    open_page: Open, make_session: Make
) -> None:
    made = make_session()
    page = open_page("/")
    wait_until_live(page)
    page.evaluate("window.sameDocument = true")
    page.context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('pagehide'))")  # closes the open socket, too
    chip = page.locator("#connection")
    expect(chip).to_have_attribute("data-status", "reconnecting")
    expect(chip).to_have_attribute("data-status", "offline")
    expect(chip).to_contain_text("Offline seit")
    actions.perform("pause", made.session_id, actor="olga")
    expect(row(page, made)).to_contain_text("Aktiv")
    page.context.set_offline(False)
    wait_until_live(page)
    expect(row(page, made)).to_contain_text("Wird pausiert")
    assert page.evaluate("window.sameDocument")


def test_going_back_brings_scroll_ticks_and_filters(open_page: Open) -> None:
    many(60)
    page = open_page("/?type=grader", height=500)
    wait_until_live(page)
    ticks = page.locator("#rows .c-tick input")
    for n in (30, 32):
        ticks.nth(n).check()
    chosen = [order_of(page)[n] for n in (30, 32)]
    at = page.evaluate("window.scrollY")
    assert at > 300
    page.locator("#rows .session-link").nth(31).click()
    page.wait_for_url("**/sessions/**")
    page.go_back()
    page.wait_for_url("**/?type=grader")
    expect(page.locator("#bulk-count")).to_have_text("2 ausgewählt")
    for session_id in chosen:
        expect(page.locator(f"#row-{session_id} .c-tick input")).to_be_checked()
    assert abs(page.evaluate("window.scrollY") - at) < 60


def test_time_alone_brings_rows_into_the_late_ones_and_takes_them_out(
    open_page: Open, make_session: Make
) -> None:
    """The sessions do not change: one falls silent, the other beats again."""
    beat = "UPDATE agent_sessions SET last_heartbeat = now() - %s * interval '1 s' WHERE id = %s"
    recovering, falling = make_session("examiner", silent=60), make_session("examiner")
    page = open_page("/?state=late")
    wait_until_live(page)
    assert order_of(page) == [recovering.session_id]
    psql(beat, 0, recovering.session_id)
    expect(row(page, recovering)).to_have_class("row left")
    psql(beat, 30, falling.session_id)
    expect(page.locator("#newcomers")).to_have_text("1 neue Sitzung")
    assert order_of(page) == [recovering.session_id]


def test_a_search_inside_says_who_comes_to_match(open_page: Open, make_session: Make) -> None:
    page = open_page("/?q=context.class:7b")
    wait_until_live(page)
    make_session(context={"class": "9c"})
    make_session(context={"class": "7b"})
    expect(page.locator("#newcomers")).to_have_text("1 neue Sitzung")

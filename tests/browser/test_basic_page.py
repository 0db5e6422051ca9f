"""Without JavaScript: a plain list and plain pages with the same functions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from agent_sessions import AgentSession

from .test_bulk import many
from .test_list import order_of, row

Make = Callable[..., AgentSession]
Open = Callable[..., Page]


@pytest.fixture
def plain(open_page: Open) -> Open:
    return lambda path: open_page(path, java_script_enabled=False)


def rows_of(page: Page) -> Locator:
    return page.locator("#rows > tr")


def test_filters_search_and_refresh_are_links_and_a_form(plain: Open, make_session: Make) -> None:
    grader, tutor = make_session("grader"), make_session("tutor", user_id="jan")
    page = plain("/")
    expect(rows_of(page)).to_have_count(2)
    page.locator('#rail [data-count="type:tutor"]').click()
    expect(row(page, tutor)).to_be_visible()
    expect(row(page, grader)).to_have_count(0)
    page.locator('#rail [data-count="type:tutor"]').click()
    expect(rows_of(page)).to_have_count(2)
    page.fill("#q", "user:jan")
    page.keyboard.press("Enter")
    expect(row(page, grader)).to_have_count(0)
    late = make_session("examiner", user_id="jan")
    page.locator("#refresh").click()
    expect(row(page, late)).to_be_visible()
    assert "q=user" in page.url


def test_pages_are_turned_by_links_and_no_row_is_missed_or_twice(plain: Open) -> None:
    many(120)
    page = plain("/")
    seen = order_of(page)
    while page.locator(".pager [rel=next]").count():
        # A click alone returns before the next page is loaded.
        with page.expect_navigation():
            page.locator(".pager [rel=next]").click()
        seen += order_of(page)
    assert len(seen) == len(set(seen)) == 120
    with page.expect_navigation():
        page.locator(".pager [rel=prev]").click()
    assert set(order_of(page)) < set(seen)


def test_a_session_is_paused_through_plain_pages(plain: Open, make_session: Make) -> None:
    made = make_session(context={"class": "7b"}, checkpoints=("essay_read",))
    page = plain("/")
    row(page, made).locator(".session-link").click()
    expect(page.locator("#checkpoints")).to_contain_text("essay_read")
    expect(page.locator("#tree-context")).to_contain_text("7b")
    page.locator(".head-actions .primary").click()
    expect(page.locator("h1")).to_contain_text("pausieren")
    page.fill("textarea", "Rubrik prüfen")
    page.locator(".dialog-actions button").click()
    expect(page.locator("#session-head")).to_contain_text("Wird pausiert")
    expect(page.locator("#banner-paused")).to_contain_text("Rubrik prüfen")


def test_what_only_a_script_can_do_is_not_offered(plain: Open, make_session: Make) -> None:
    made = make_session()
    for path in ("/", f"/sessions/{made.session_id}/"):
        page = plain(path)
        for node in page.locator(".needs-js").all():
            expect(node).to_be_hidden()
        expect(page.locator("#connection")).to_be_hidden()

"""Past times in a browser: by keyboard and pointer, marked as past, and back to now."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from agent_sessions import AgentSession

from .test_list import wait_until_live
from .test_session import checkpoint, opened

Make = Callable[..., AgentSession]
Open = Callable[..., Page]
NAMES = ("first", "second", "third")


def drawn(page: Page) -> None:
    expect(page.locator("#axis .axis-bands rect").first).to_be_attached()


def test_arrow_keys_show_the_context_of_then_and_escape_returns_to_now(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(context={"class": "7b"}, checkpoints=NAMES)
    page = opened(open_page, made)
    drawn(page)
    plot = page.get_by_role("slider")
    plot.focus()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#past-bar")).to_contain_text("Früherer Stand")
    expect(page.locator("#tree-context .leaf", has_text="step")).to_contain_text("2")
    expect(page.locator("#checkpoints")).not_to_contain_text("third")
    expect(page.locator("#session-head a[data-dialog]")).to_have_count(0)
    expect(page.locator("#session-head [aria-disabled=true]").first).to_be_visible()
    expect(plot).to_have_attribute(
        "aria-valuetext", re.compile("nach Zwischenstand 3, \u2068second")
    )
    assert "at=" in page.url
    page.keyboard.press("Escape")
    expect(page.locator("#past-bar")).to_have_count(0)
    expect(page.locator("#tree-context .leaf", has_text="step")).to_contain_text("3")
    assert "at=" not in page.url


def test_the_address_of_a_moment_opens_it_again(open_page: Open, make_session: Make) -> None:
    made = make_session(checkpoints=NAMES)
    page = opened(open_page, made)
    drawn(page)
    page.get_by_role("slider").focus()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#past-bar")).to_be_visible()
    page.reload()
    expect(page.locator("#past-bar")).to_be_visible()
    expect(page.locator("#checkpoints")).not_to_contain_text("third")


def test_dragging_goes_through_time_and_the_right_end_is_live(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(checkpoints=NAMES)
    page = opened(open_page, made)
    drawn(page)
    box = page.get_by_role("slider").bounding_box()
    assert box is not None
    middle = box["y"] + 40
    page.mouse.move(box["x"] + box["width"] - 20, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 9, middle, steps=4)
    page.mouse.up()
    expect(page.locator("#past-bar")).to_be_visible()
    expect(page.locator("#checkpoints")).not_to_contain_text("third")
    page.locator("#axis [data-axis=live]").click()
    expect(page.locator("#past-bar")).to_have_count(0)


def test_the_past_stays_while_the_agent_works_on_and_its_flag_appears(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(checkpoints=NAMES)
    page = opened(open_page, made)
    drawn(page)
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    expect(page.locator("#past-bar")).to_be_visible()
    checkpoint(made, "fourth", fresh="later")
    expect(page.locator("#session-head")).to_have_attribute("data-version", "5")
    expect(page.locator("#past-bar")).to_be_visible()
    expect(page.locator("#checkpoints")).not_to_contain_text("fourth")
    page.locator("#past-bar [data-live]").click()
    expect(page.locator("#checkpoints")).to_contain_text("fourth")


def test_idle_time_is_folded_and_can_be_unfolded(open_page: Open, make_session: Make) -> None:
    from .test_list import psql

    made = make_session(checkpoints=NAMES)
    psql(
        "UPDATE agent_sessions SET created_at = now() - interval '5 hours' WHERE id = %s",
        made.session_id,
    )
    page = open_page(f"/sessions/{made.session_id}/")
    wait_until_live(page)
    drawn(page)
    expect(page.locator("#axis .fold")).to_have_count(1)
    fold = page.locator("#axis [data-axis=fold]")
    fold.click()
    expect(fold).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#axis .fold")).to_have_count(0)


@pytest.mark.parametrize(
    "written", ["5", "2020", "20010101", "20260131T080000Z", "2026-W05-6", "2001-01-01T00:00:00"]
)
def test_the_axis_stands_at_the_time_of_the_banner_however_it_is_written(
    open_page: Open, make_session: Make, written: str
) -> None:
    made = make_session(checkpoints=("first",))
    page = open_page(f"/sessions/{made.session_id}/?at={written}")
    wait_until_live(page)
    shown = page.locator("#past-bar time").get_attribute("datetime")
    when = page.locator("#axis [data-axis=when]")
    expect(when).not_to_have_text("")
    to_clock = """iso => new Date(iso).toLocaleTimeString(
        "de", {timeZone: document.getElementById("axis").dataset.timeZone})"""
    expect(when).to_contain_text(page.evaluate(to_clock, shown))


@pytest.mark.parametrize("written", ["May 1 2001", "2001/01/01", "2999-01-01T00:00:00Z"])
def test_what_the_server_takes_for_now_is_now_at_the_axis(
    open_page: Open, make_session: Make, written: str
) -> None:
    made = make_session(checkpoints=("first",))
    page = open_page(f"/sessions/{made.session_id}/?at={written}")
    wait_until_live(page)
    expect(page.locator("#axis .axis-bands rect").first).to_be_attached()
    expect(page.locator("#axis [data-axis=live]")).to_have_attribute("aria-pressed", "true")
    checkpoint(made, "second")
    expect(page.locator("#checkpoints")).to_contain_text("second")
    expect(page.locator("#past-bar")).to_have_count(0)


def test_without_scripting_there_is_no_axis_and_the_address_still_works(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(checkpoints=NAMES)
    at = f"/sessions/{made.session_id}/?at=2001-01-01T00:00:00Z"
    page = open_page(at, java_script_enabled=False)
    expect(page.locator("#past-bar")).to_be_visible()
    expect(page.locator("#axis")).to_be_hidden()
    page.locator("#past-bar a").click()
    expect(page.locator("#past-bar")).to_have_count(0)

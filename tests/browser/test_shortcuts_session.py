"""The session page by keyboard only: every step from looking back to rolling back and undoing it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from agent_sessions import AgentSession

from .test_session import opened
from .test_shortcuts import press, tab_to
from .test_time import drawn

Make = Callable[..., AgentSession]
Open = Callable[..., Page]
FAR = 150
LOST = "document.activeElement === document.body"


def enter(page: Page, selector: str) -> None:
    """Tabs to the element and presses Enter."""
    tab_to(page, selector, most=FAR)
    press(page, "Enter")


def choose(page: Page, select: str, *keys: str) -> None:
    tab_to(page, select, most=FAR)
    press(page, *keys)


def test_every_step_on_a_session_by_keys_alone(open_page: Open, make_session: Make) -> None:
    made = make_session(
        context={"class": "7b", "deep": {"needle": "Nadel"}},
        checkpoints=("first", "second", "third"),
    )
    page = opened(open_page, made)
    drawn(page)
    step = page.locator("#tree-context .leaf", has_text="step")
    _look_back_and_return(page)
    _compare_two_checkpoints(page, made)
    _roll_back(page)
    expect(step).to_contain_text("1")
    _take_it_back(page)
    expect(step).to_contain_text("3")
    _search_the_tree(page)
    _edit_the_context(page)
    _filter_the_events(page)


def _look_back_and_return(page: Page) -> None:
    tab_to(page, "[role=slider]", most=FAR)
    press(page, "Shift+ArrowLeft", "Shift+ArrowLeft")
    expect(page.locator("#past-bar")).to_be_visible()
    expect(page.locator("#tree-context .leaf", has_text="step")).to_contain_text("2")
    press(page, "Escape")
    expect(page.locator("#past-bar")).to_have_count(0)
    expect(page.get_by_role("slider")).to_be_focused()


def _compare_two_checkpoints(page: Page, made: AgentSession) -> None:
    enter(page, "#checkpoint-2 .flag-facts a")
    page.wait_for_url("**/compare/?a=2")
    choose(page, "select[name=b]", "ArrowDown")
    expect(page.locator("select[name=b]")).to_have_value("4")
    enter(page, ".compare-form button")
    expect(page.locator(".changes ins")).to_have_text("3")
    enter(page, "[data-back]")
    page.wait_for_url(f"**/sessions/{made.session_id}/")
    drawn(page)


def _confirm(page: Page, reason: str) -> None:
    dialog = page.locator("dialog#dialog")
    expect(dialog.locator("[data-cancel]")).to_be_focused()
    press(page, "Escape")
    expect(dialog).to_be_hidden()
    assert not page.evaluate(LOST), "the focus goes back to what opened the dialog"
    press(page, "Enter")
    expect(dialog.locator("[data-cancel]")).to_be_focused()
    tab_to(page, "dialog textarea", most=12)
    page.keyboard.type(reason)
    enter(page, "dialog .dialog-actions button")
    expect(dialog).to_be_hidden()


def _roll_back(page: Page) -> None:
    enter(page, "#checkpoint-2 a[data-dialog]")
    _confirm(page, "Falsche Rubrik")
    expect(page.locator("#banner-rolled-back")).to_contain_text("Falsche Rubrik")
    assert not page.evaluate(LOST)


def _take_it_back(page: Page) -> None:
    enter(page, "#banner-rolled-back a[data-dialog]")
    _confirm(page, "Doch nicht")
    expect(page.locator("#banner-rolled-back")).to_contain_text("Doch nicht")
    assert not page.evaluate(LOST)


def _search_the_tree(page: Page) -> None:
    tab_to(page, "#find", most=FAR)
    page.keyboard.type("nadel")
    expect(page.locator("#found a")).to_have_text("deep.needle")
    press(page, "Tab")
    expect(page.locator("#found a")).to_be_focused()
    press(page, "Enter")
    expect(page.locator("#tree-context .leaf", has_text="needle")).to_be_focused()


def _edit_the_context(page: Page) -> None:
    enter(page, "#context .tools a[href*=edits]")
    page.wait_for_url("**/edits/new/**")
    tab_to(page, "textarea.json", most=FAR)
    press(page, "Control+a")
    page.keyboard.insert_text('{"class": "8a"}')
    enter(page, "button[value=preview]")
    expect(page.locator(".changes ins").first).to_contain_text("8a")
    tab_to(page, "textarea[name=reason]", most=FAR)
    page.keyboard.type("Falsche Klasse")
    enter(page, "button[value=save]")
    expect(page.locator("#tree-context")).to_contain_text("8a")
    drawn(page)


def _filter_the_events(page: Page) -> None:
    enter(page, "#kinds a[href*=edit]")
    page.wait_for_url("**kind=edit**")
    expect(page.locator("#history .event")).to_have_count(1)
    expect(page.locator("#history .event")).to_contain_text("Falsche Klasse")
    tab_to(page, "#history .event summary", most=FAR)
    press(page, "Enter")
    expect(page.locator("#history .event pre")).to_be_visible()
    enter(page, "#kinds a:first-child")
    expect(page.locator("#history .event").nth(4)).to_be_visible()

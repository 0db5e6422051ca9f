"""Everything works by keyboard; shortcuts are off while typing; no animation with reduced motion."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from sessions_app import actions

from .test_list import row, wait_until_live

# No agent is attached, so nothing is confirmed.
ORDERED = "Aufträge erteilt, aber noch nicht überall bestätigt."

Make = Callable[..., AgentSession]
Open = Callable[..., Page]

FOCUSED = "document.activeElement.matches('{}')"


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Page, selector: str, most: int = 60) -> None:
    """Presses Tab until the element has the focus."""
    for _ in range(most):
        if page.evaluate(FOCUSED.format(selector)):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by {most} times Tab")


def test_a_bulk_order_by_keys_alone(open_page: Open, make_session: Make) -> None:
    older, newer = make_session(), make_session()
    page = open_page("/")
    wait_until_live(page)
    press(page, "j", "x", "j", "x")
    expect(page.locator("#bulk-count")).to_have_text("2 ausgewählt")
    page.locator("#q").focus()
    tab_to(page, "#bulk button[value=pause]")
    press(page, "Enter")
    dialog = page.locator("dialog#dialog")
    expect(dialog.locator("[data-cancel]")).to_be_focused()
    press(page, "Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#bulk button[value=pause]")).to_be_focused()
    press(page, "Enter")
    expect(dialog.locator("[data-cancel]")).to_be_focused()
    tab_to(page, "dialog button.primary", most=10)
    press(page, "Enter")
    expect(dialog.locator(".job-line")).to_have_text(ORDERED)
    press(page, "Escape")
    for made in (older, newer):
        expect(row(page, made)).to_contain_text("Wird pausiert")


def test_a_session_is_opened_and_paused_by_keys_alone(open_page: Open, make_session: Make) -> None:
    made = make_session()
    page = open_page("/")
    wait_until_live(page)
    press(page, "j", "Enter")
    page.wait_for_url(f"**/sessions/{made.session_id}/")
    wait_until_live(page)
    tab_to(page, ".head-actions .primary")
    press(page, "Enter")
    dialog = page.locator("dialog#dialog")
    expect(dialog.locator("[data-cancel]")).to_be_focused()
    press(page, "Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(".head-actions .primary")).to_be_focused()
    expect(page.locator("#session-head")).to_contain_text("Aktiv")
    press(page, "Enter")
    expect(dialog.locator("[data-cancel]")).to_be_focused()
    tab_to(page, "dialog .dialog-actions button", most=10)
    press(page, "Enter")
    expect(page.locator("#session-head")).to_contain_text("Wird pausiert")


def test_the_menu_of_a_row_by_keys_gives_the_focus_back(
    open_page: Open, make_session: Make
) -> None:
    make_session()
    page = open_page("/")
    wait_until_live(page)
    press(page, "j")
    tab_to(page, ".row-more")
    press(page, "Enter", "ArrowDown")
    expect(page.locator("#row-menu [data-copy]")).to_be_focused()
    press(page, "Escape")
    expect(page.locator("#row-menu")).to_be_hidden()
    expect(page.locator(".row-more")).to_be_focused()


def test_no_letter_is_a_command_while_somebody_types(open_page: Open, make_session: Make) -> None:
    made = make_session()
    page = open_page("/")
    wait_until_live(page)
    press(page, "/")
    page.keyboard.type("jxpr?/")
    expect(page.locator("#q")).to_have_value("jxpr?/")
    expect(page.locator("#help")).to_be_hidden()
    expect(page.locator("#hold")).to_have_attribute("aria-pressed", "false")
    expect(row(page, made).locator("input")).not_to_be_checked()
    press(page, "Escape", "j", "x")
    page.locator("#bulk button[value=pause]").focus()
    press(page, "Enter")
    expect(page.locator("dialog [data-cancel]")).to_be_focused()
    press(page, "p", "x", "?")
    expect(page.locator("#hold")).to_have_attribute("aria-pressed", "false")
    expect(row(page, made).locator("input")).to_be_checked()
    page.locator("dialog textarea").focus()
    page.keyboard.type("jxpr?/")
    expect(page.locator("dialog textarea")).to_have_value("jxpr?/")


def test_nothing_flashes_for_who_wants_no_motion(open_page: Open, make_session: Make) -> None:
    calm, lively = make_session(), make_session()
    for made, motion in ((calm, "reduce"), (lively, "no-preference")):
        page = open_page("/", reduced_motion=motion)
        wait_until_live(page)
        page.evaluate(
            "document.addEventListener('animationstart', (e) => (window.animated = e.animationName))"
        )
        actions.perform("pause", made.session_id, actor="olga")
        expect(row(page, made)).to_contain_text("Wird pausiert")
        page.wait_for_timeout(200)
        assert page.evaluate("window.animated ?? ''") == ("" if motion == "reduce" else "flash")


def test_what_is_announced_is_polite_and_little(open_page: Open, make_session: Make) -> None:
    """Heartbeats, times and cells are not announced; a status is announced once."""
    made = [make_session() for _ in range(5)]
    page = open_page("/")
    wait_until_live(page)
    page.evaluate(
        """() => {
            const live = "[aria-live], [role=status], [role=alert], [role=log]";
            window.said = 0;
            const note = (changes) => {
              for (const { target } of changes) {
                const node = target.nodeType === 1 ? target : target.parentElement;
                if (node?.closest(live)) window.said += 1;
              }
            };
            const what = { subtree: true, childList: true, characterData: true };
            new MutationObserver(note).observe(document.body, what);
        }"""
    )
    assert (
        page.locator("[aria-live=assertive], #list [aria-live], #list [role=status]").count() == 0
    )
    for session in made:
        actions.perform("pause", session.session_id, actor="olga")
    expect(row(page, made[-1])).to_contain_text("Wird pausiert")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.said") <= 4  # the connection catches up and is live again

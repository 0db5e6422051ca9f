"""Markup in texts of agents and people creates no elements in a real browser, also after live patches."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from sessions_app import actions
from tests.contract.test_shown_texts import evil

CREATED = """() => [...document.querySelectorAll('*')]
    .filter(e => e.localName.startsWith('x-') || [...e.attributes].some(a => a.name.startsWith('on')))
    .map(e => e.outerHTML.slice(0, 80))"""


def test_hostile_texts_stay_texts_in_list_dialog_and_session(
    open_page: Any, make_session: Any
) -> None:
    made = make_session(
        evil("agent"),
        user_id=evil("user"),
        context={evil("key"): evil("value")},
        checkpoints=(evil("checkpoint"),),
    )
    page = open_page("/")
    row = page.locator(f"#row-{made.session_id}")
    expect(row).to_contain_text("<x-user")
    expect(page.locator("#connection")).to_have_attribute("data-status", "live")
    actions.perform("pause", made.session_id, actor=evil("actor"), reason=evil("reason"))
    expect(row).to_have_attribute("data-state", "paused")
    assert page.evaluate(CREATED) == []

    page.goto(f"{page.url.split('?')[0].rstrip('/')}/sessions/{made.session_id}/")
    expect(page.locator("main")).to_contain_text(evil("reason"))
    expect(page.locator("#connection")).to_have_attribute("data-status", "live")
    page.locator("#session-head a[href*='/resumes/']").first.evaluate("link => link.click()")
    expect(page.locator("#dialog")).to_contain_text("<x-agent")
    assert page.evaluate(CREATED) == []
    page.keyboard.press("Escape")
    actions.perform("resume", made.session_id, actor=evil("actor"), reason=evil("reason2"))
    expect(page.locator("main")).to_contain_text(evil("reason2"))
    assert page.evaluate(CREATED) == []

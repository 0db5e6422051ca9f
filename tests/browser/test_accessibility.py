"""axe finds nothing on any page, in any theme and language: WCAG 2.2 AA and axe's own good practice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.template.loader import render_to_string
from django.utils import translation
from playwright.sync_api import Page, Route, expect

from agent_sessions import AgentSession
from sessions_app import actions

from .test_list import psql, wait_until_live

Make = Callable[..., AgentSession]
Open = Callable[..., Page]

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
BRIEF = {"resultTypes": ["violations"], "elementRef": False}
EVERYTHING = {**BRIEF, "runOnly": {"type": "tag", "values": STANDARDS}}
COLOURS = {**BRIEF, "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
ERROR_PAGES = ("400", "403", "403_csrf", "404", "500", "503")


def violations(page: Page, theme: str, within: str, options: dict[str, Any]) -> list[str]:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)  # by the debugger: the page's policy would refuse it
    run = "async ([where, how]) => (await axe.run(where, how)).violations"
    found = page.evaluate(run, [within, options])
    return [
        f"{theme}: {rule['id']}: {rule['help']}: {node['html'][:160]} {node['any'][:1]}"
        for rule in found
        for node in rule["nodes"][:4]
    ]


def complaints(page: Page, within: str) -> list[str]:
    """Rules that do not depend on colours have the same result in both themes, so they run once."""
    return [
        *violations(page, "light", within, EVERYTHING),
        *violations(page, "dark", within, COLOURS),
    ]


def one_of_each(make_session: Make) -> AgentSession:
    """Sessions in every state and condition; the returned one has content in each panel."""
    for verb in ("pause", "complete", "fail", "delete"):
        made = make_session(checkpoints=("begun",))
        actions.perform(verb, made.session_id, actor="olga", reason="Probe")
    make_session("tutor", silent=60)
    make_session("tutor", silent=4000)
    make_session("examiner", stuck=4000)
    refused = make_session("examiner", user_id="")
    psql("UPDATE agent_sessions SET refused_writes = 2 WHERE id = %s", refused.session_id)
    full = make_session(
        context={"class": "7b", "deep": {"a": [1, {"b": None}], "done": True}},
        checkpoints=("essay_read", "essay_marked", "essay_marked"),
    )
    actions.perform(
        "rollback", full.session_id, actor="olga", reason="Falsche Aufgabe", checkpoint_id=2
    )
    return full


class Walk:
    """Visits parts of the dashboard in one page and records axe's findings."""

    def __init__(self, page: Page) -> None:
        self.page, self.found = page, list[str]()

    def look(self, sight: str, within: str = "html") -> None:
        """Records axe's findings. Of an open menu only the menu is checked, because it covers what is below."""
        self.found += [f"{sight}: {what}" for what in complaints(self.page, within)]

    def is_clean(self) -> None:
        assert not self.found, "\n".join(self.found)

    def at(self, path: str, sight: str, *, live: bool = True) -> None:
        self.page.goto(f"{self.page.url.split('/', 3)[0]}//{self.page.url.split('/', 3)[2]}{path}")
        if live:
            wait_until_live(self.page)
        self.look(sight)

    def dialog(self, opener: str, sight: str) -> None:
        self.page.locator(opener).first.click()
        expect(self.page.locator("dialog[open]")).to_be_visible()
        self.look(sight)
        self.page.keyboard.press("Escape")
        expect(self.page.locator("dialog[open]")).to_have_count(0)


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_list_passes(open_page: Open, make_session: Make, language: str) -> None:
    walk = Walk(open_page("/", locale=language, reduced_motion="reduce"))
    page = walk.page
    wait_until_live(page)
    walk.look("empty list")
    one_of_each(make_session)
    walk.at("/", "busy list")
    walk.at("/?state=deleted", "trash")
    walk.at("/?q=user:nobody-is-called-so", "filtered to nothing")
    walk.at("/?q=agnt:grader", "search error")
    page.goto(page.url.partition("?")[0])
    wait_until_live(page)
    for menu in ("header details.menu summary >> nth=0", "header details.menu summary >> nth=1"):
        page.locator(menu).click()
        walk.look(menu, "header")
    page.keyboard.press("Escape")
    page.locator(".row-more").first.click()
    walk.look("menu of a row", "#row-menu")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    walk.look("help")
    page.keyboard.press("Escape")
    for tick in page.locator("#rows input").all()[:3]:
        tick.check()
    walk.look("ticked rows")
    walk.dialog("#bulk button[value=pause]", "bulk dialog")
    page.keyboard.press("p")
    walk.look("held")
    walk.is_clean()


@pytest.mark.parametrize("language", ["de", "en"])
def test_what_opens_beside_the_list_passes(
    open_page: Open, make_session: Make, language: str
) -> None:
    one_of_each(make_session)
    walk = Walk(open_page("/?state=active", locale=language, reduced_motion="reduce"))
    page = walk.page
    wait_until_live(page)
    for n, menu in enumerate(page.locator("#main details > summary").all()):
        menu.click()
        walk.look(f"menu {n} of the list", "#main")
        menu.click()
    page.keyboard.press("Control+k")
    page.keyboard.type("a")
    expect(page.locator("#palette-list [aria-selected=true]")).to_be_visible()
    walk.look("palette", "#palette")
    page.keyboard.press("Escape")
    page.locator("#q").click()
    page.keyboard.type("sta")
    walk.look("completion", ".search")
    walk.at("/wall/", "wall")
    walk.is_clean()


@pytest.mark.parametrize("language", ["de", "en"])
def test_a_session_and_its_dialogs_pass(open_page: Open, make_session: Make, language: str) -> None:
    full = one_of_each(make_session)
    at = f"/sessions/{full.session_id}/"
    walk = Walk(open_page(at, locale=language, reduced_motion="reduce"))
    page = walk.page
    wait_until_live(page)
    walk.look("session")
    walk.dialog(".head-actions .primary", "order dialog")
    page.locator("#more summary").click()
    walk.look("more", "#more")
    page.keyboard.press("Escape")
    walk.dialog("#checkpoints a[data-dialog]", "rollback dialog")
    walk.at(f"{at}pauses/", "order as a page", live=False)
    walk.at(f"{at}rollbacks/new/?checkpoint=2", "rollback as a page", live=False)
    walk.at("/bulk/", "bulk orders", live=False)
    walk.is_clean()


@pytest.mark.parametrize("language", ["de", "en"])
def test_login_and_errors_pass(open_page: Open, language: str) -> None:
    errors_and_login(
        Walk(open_page("/nowhere/", locale=language, reduced_motion="reduce")), language
    )


def errors_and_login(walk: Walk, language: str) -> None:
    page = walk.page
    for code in ERROR_PAGES:
        with translation.override(language):
            html = render_to_string(f"{code}.html", {"again": 0})
        page.route(f"**/error-{code}", partial(answer, html=html))
        walk.at(f"/error-{code}", code, live=False)
    page.context.clear_cookies()
    walk.at("/login/", "login", live=False)
    page.fill("[name=username]", "olga")
    page.fill("[name=password]", "wrong")
    page.locator("button.primary").click()
    expect(page.locator("[role=alert]")).to_be_visible()
    walk.look("login refused")
    walk.is_clean()


def answer(route: Route, html: str) -> None:
    route.fulfill(body=html, content_type="text/html; charset=utf-8")

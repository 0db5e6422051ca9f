"""The content security policy: nothing inline anywhere, and Chromium blocks nothing."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Page, Response, expect

from agent_sessions import AgentSession
from sessions_app import actions

from .test_list import row, wait_until_live

Make = Callable[..., AgentSession]
Open = Callable[..., Page]

WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.refused.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""
ERROR_PAGES = ("400", "403", "403_csrf", "404", "500", "503")


class Inline(HTMLParser):
    """Collects inline scripts, styles, event handlers and javascript: addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith("on") or (value or "").startswith("javascript:"):
                self.found.append(f'<{tag} {name}="{value}">')


def paths(made: AgentSession) -> list[str]:
    at = f"/sessions/{made.session_id}/"
    orders = ("pauses", "completions", "failures", "deletions", "rollbacks/new")
    return [
        *("/", "/?state=active", "/?q=agnt:x", "/?q=user:nobody", "/bulk/", "/wall/", "/nowhere/"),
        *(at, f"{at}panels/", f"{at}context/"),
        *(f"{at}{order}/" for order in orders),
        f"{at}rollbacks/new/?checkpoint=2",
    ]


def test_no_page_has_anything_inline_and_each_says_its_policy(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(
        context={"deep": {"<script>alert(1)</script>": ["a", {"b": "<b style=x>"}]}},
        checkpoints=("first", "second"),
    )
    page = open_page("/")
    address = page.url.rstrip("/")
    for path in paths(made):
        answer = page.request.get(f"{address}{path}")
        assert Inline(answer.text()).found == [], path
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy and "style-src 'self'" in policy, path
        assert "unsafe" not in policy, path


PRELOADED = """async () => {
  await document.fonts.ready;
  const font = document.querySelector("link[rel=preload][as=font]").href;
  return {
    fetched: performance.getEntriesByName(font).length,
    used: [...document.fonts].some((face) => face.status === "loaded"),
  };
}"""


def test_every_page_uses_the_font_that_it_preloads(open_page: Open, make_session: Make) -> None:
    made = make_session()
    page = open_page("/")
    address = page.url.rstrip("/")
    preloading = 0
    for path in paths(made):
        page.goto(f"{address}{path}")
        if page.locator(
            "link[rel=preload][as=font]"
        ).count():  # parts of pages and error pages have none
            assert page.evaluate(PRELOADED) == {"fetched": 1, "used": True}, path
            preloading += 1
    assert preloading > 8


@pytest.mark.parametrize("code", ERROR_PAGES)
def test_no_error_page_has_anything_inline(code: str) -> None:
    assert Inline(render_to_string(f"{code}.html", {"again": 5})).found == []


def test_the_parser_finds_what_it_is_for() -> None:
    html = (
        '<p onclick="x()"><a href="javascript:y"><script>z</script><b style="c"></b><style></style>'
    )
    assert len(Inline(html).found) == 5


def test_chromium_refuses_nothing_while_everything_is_used(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(context={"deep": {"a": {"b": 1}}}, checkpoints=("first", "second"))
    page = open_page("/login/")
    page.add_init_script(WATCH)
    policies: list[str] = []
    page.on("response", lambda response: policies.append(policy_of(response)))
    page.goto(page.url)
    wait_until_live(page)
    expect(page.locator("#chart-plot canvas")).to_be_visible()
    page.locator("[data-minutes='60']").click()
    page.locator("#chart-plot").hover()
    actions.perform("pause", made.session_id, actor="olga")
    expect(row(page, made)).to_contain_text("Wird pausiert")
    row(page, made).locator(".row-more").click()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.keyboard.press("Escape")
    row(page, made).locator("input").check()
    page.locator("#bulk button[value=resume]").click()
    page.locator("dialog[open] [data-cancel]").click()
    assert page.evaluate("window.refused") == []
    page.locator(".session-link").first.click()
    wait_until_live(page)
    page.locator(".head-actions .primary").click()
    page.locator("dialog[open] [data-cancel]").click()
    actions.perform("resume", made.session_id, actor="olga")
    expect(page.locator("#session-head")).to_contain_text("Wird fortgesetzt")
    page.locator("#checkpoints a[data-dialog]").first.click()
    page.locator("dialog[open] [data-cancel]").click()
    assert page.evaluate("window.refused") == []
    assert "" not in policies


def policy_of(response: Response) -> str:
    is_page = response.request.resource_type == "document" and response.status < 300
    return response.headers.get("content-security-policy", "") if is_page else "no page"

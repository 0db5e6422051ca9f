"""A page whose log-in has ended opens the log-in; it never shows the log-in's form in a part of itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from django.conf import settings
from playwright.sync_api import Page, Route, expect

from agent_sessions import AgentSession
from dashboard.environment import BASE_DIR
from sessions_app.bulk.models import BulkJob
from sessions_app.bulk.planning import plan_ticked

from .conftest import Open
from .test_list import wait_until_live
from .test_session import checkpoint

Make = Callable[..., AgentSession]
Act = Callable[[Page, AgentSession], object]

# Calls the script's function in the page, instead of waiting for its timer.
CALL = """async ([file, name]) => {
  const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  const script = await import(loaded.find((one) => one.includes(file)));
  script[name]();
}"""


def call(file: str, name: str) -> Act:
    return lambda page, _: page.evaluate(CALL, [file, name])


def click(selector: str) -> Act:
    return lambda page, _: page.locator(selector).click()


def change(_: Page, made: AgentSession) -> None:
    checkpoint(made, "later")


def wait(_page: Page, _made: AgentSession) -> None:
    """The page fetches by itself within seconds."""


# page, address of the part, and what makes the page fetch it
PARTS: dict[str, tuple[str, str, Act]] = {
    "the panels of a session": ("/sessions/{id}/", "/sessions/{id}/panels/", change),
    "its time axis": (
        "/sessions/{id}/",
        "/sessions/{id}/timeline/",
        call("session/timeline.", "refresh"),
    ),
    "the banner of a session": ("/sessions/{id}/", "/watch/", call("watchdog_status.", "start")),
    "the banner of the list": ("/", "/watch/", call("watchdog_status.", "start")),
    "the list": ("/", "/", click("#refresh")),
    "a dialog": ("/sessions/{id}/", "/sessions/{id}/pauses/", click(".head-actions .primary")),
    "the conversations": ("/conversations/", "/conversations/", wait),
    "a bulk order": ("/bulk/{job}/", "/bulk/{job}/", wait),
}


def fetch_only(page: Page, path: str) -> None:
    """Lets the page fetch this part alone: any other one would open the log-in as well."""

    def decide(route: Route) -> None:
        asked = route.request
        other = asked.resource_type == "fetch" and urlsplit(asked.url).path not in (path, "/login/")
        route.abort() if other else route.continue_()

    page.route("**/*", decide)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_that_is_fetched_after_the_log_in_ended_opens_the_log_in(
    part: str, open_page: Open, make_session: Make, operator: object
) -> None:
    path, fetched, act = PARTS[part]
    made = make_session(checkpoints=("first",))
    ordered = make_session()  # the server carries the bulk order out, which changes the page
    job = plan_ticked("pause", {UUID(ordered.session_id): None}, operator)  # type: ignore[arg-type]
    BulkJob.objects.filter(pk=job.pk).update(state="running")
    path, fetched = (text.format(id=made.session_id, job=job.pk) for text in (path, fetched))
    page = open_page(path)
    if path.startswith(("/sessions/", "/?")) or path == "/":
        wait_until_live(page)
    fetch_only(page, fetched)
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    act(page, made)
    expect(page).to_have_url(re.compile(r"/login/\?"))
    assert parse_qs(urlsplit(page.url).query)["next"] == [path]
    expect(page.locator("input[name=password]")).to_have_count(1)
    expect(page.locator("#panels, #watch, #list")).to_have_count(0)


def test_text_that_was_typed_keeps_the_page_which_says_that_the_log_in_ended(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(checkpoints=("first",))
    page = open_page(f"/sessions/{made.session_id}/")
    wait_until_live(page)
    page.locator(".head-actions .primary").click()
    page.locator("dialog textarea").fill("Eine lange Begründung")
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    checkpoint(made, "later")
    expect(page.locator("dialog [data-draft-said]")).to_contain_text("Sie sind abgemeldet")
    expect(page.locator("dialog textarea")).to_have_value("Eine lange Begründung")
    expect(page.locator("#panels input[name=password]")).to_have_count(0)


# drafts.js keeps what was typed; the look of the list is sent without reading the answer.
OF_THEIR_OWN = {"drafts.js", "core/requests.js"}


def test_no_script_fetches_without_looking_for_an_ended_log_in() -> None:
    scripts = BASE_DIR / "static" / "js"

    def bare(file: Path) -> bool:
        return re.search(r"(?<!\w)fetch\((?!form\.action)", file.read_text()) is not None

    found = {str(one.relative_to(scripts)) for one in scripts.rglob("*.js") if bare(one)}
    assert found == OF_THEIR_OWN

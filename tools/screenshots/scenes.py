"""The scenes: each brings a page into one state, through its controls."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

from playwright.sync_api import Page

SIZES = {"wide": (1440, 900), "phone": (360, 740)}
Look = tuple[str, str, str]  # theme, size, language
ALL: list[Look] = list(product(("light", "dark"), SIZES, ("de", "en")))
TWO: list[Look] = [("light", "wide", "de"), ("dark", "phone", "de")]

Scene = tuple[str, list[Look], Callable[[Page], None]]


def act(page: Page) -> None:
    """Gives some orders: one pause, one end, one rollback."""
    open_session(page, "/?type=grader&state=active")
    confirm(page, ".head-actions .primary", "Rubrik prüfen")
    session(page)
    page.locator("#more summary").click()
    confirm(page, "#more a[href*=failures]", "Endlosschleife beim Nachladen")
    session(page)  # another session, because the first is no longer active
    confirm(page, "#checkpoints a[data-dialog] >> nth=1", "Falsche Aufgabe")


def confirm(page: Page, button: str, reason: str) -> None:
    page.locator(button).click()
    page.fill("dialog[open] textarea", reason)
    page.locator("dialog[open] .dialog-actions button").click()
    page.wait_for_selector("dialog[open]", state="detached")


def go(page: Page, path: str) -> None:
    page.context.set_offline(False)
    base = re.match(r"https?://[^/]+", page.url)
    page.goto(f"{base.group() if base else ''}{path}")
    if page.locator("#connection").count():
        page.wait_for_selector("#connection[data-status=live]", timeout=20_000)
    page.wait_for_timeout(800)


def open_session(page: Page, query: str) -> None:
    go(page, query)
    page.locator(".session-link").first.click()
    page.wait_for_selector("#connection[data-status=live]", timeout=20_000)
    page.wait_for_timeout(800)


def listing(page: Page) -> None:
    go(page, "/")


def filtered(page: Page) -> None:
    go(page, "/?type=grader&type=tutor")


def nothing(page: Page) -> None:
    go(page, "/?q=nothing-is-called-so")


def search_error(page: Page) -> None:
    go(page, "/?q=agnt:grader")


def ticked(page: Page) -> None:
    go(page, "/")
    for tick in page.locator("#rows .c-tick input").all()[:3]:
        tick.check()


def bulk(page: Page) -> None:
    ticked(page)
    page.locator("#bulk button[value=pause]").click()
    page.wait_for_selector("dialog[open] textarea")


def bulk_done(page: Page) -> None:
    bulk(page)
    page.locator("dialog[open] button.primary").click()
    page.wait_for_selector("[data-job][data-state=done]", timeout=30_000)


def view(page: Page) -> None:
    go(page, "/?type=grader&state=active")
    page.locator(".viewbar summary").first.click()
    taken = page.locator("#rail [data-view-count]").count()
    page.fill(".view-form [name=name]", ("Korrekturen", "Nachprüfung")[taken % 2])
    page.locator(".view-form button.primary").click()
    page.wait_for_selector(".viewbar strong")
    go(page, f"/?{page.url.partition('?')[2]}&state=paused")


def wall(page: Page) -> None:
    go(page, "/wall/")


def palette(page: Page) -> None:
    go(page, "/?all")
    page.keyboard.press("Control+k")


def completion(page: Page) -> None:
    go(page, "/?all")
    page.locator("#q").click()
    page.keyboard.type("context.")
    page.wait_for_selector("#completions li")


def trash(page: Page) -> None:
    go(page, "/?state=completed")
    page.locator("#rows .c-tick input").first.check()
    page.locator("#bulk button[value=delete]").click()
    page.fill("dialog[open] textarea", "Probelauf")
    page.locator("dialog[open] button.danger-fill").click()
    page.wait_for_selector("[data-job][data-state=done]", timeout=30_000)
    go(page, "/?state=deleted")


def help_sheet(page: Page) -> None:
    go(page, "/")
    page.keyboard.press("?")


def offline(page: Page) -> None:
    go(page, "/")
    page.context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('pagehide'))")
    page.wait_for_selector("#connection[data-status=offline]", timeout=30_000)


def session(page: Page) -> None:
    open_session(page, "/?type=tutor&state=active&q=checkpoint:turn_answered")


def paused(page: Page) -> None:
    open_session(page, "/?state=paused")


def rolled_back(page: Page) -> None:
    open_session(page, "/?q=checkpoint:session_rolled_back")


def rollback(page: Page) -> None:
    session(page)
    links = page.locator("#checkpoints a[data-dialog]")
    links.nth(min(4, links.count() - 1)).click()
    page.wait_for_selector("dialog[open] textarea")


def failed(page: Page) -> None:
    open_session(page, "/?state=failed")


def fail_dialog(page: Page) -> None:
    session(page)
    page.locator("#more summary").click()
    page.locator("#more a[href*=failures]").click()
    page.wait_for_selector("dialog[open] textarea")


def admin(page: Page) -> None:
    go(page, "/admin/sessions_app/agentsession/")


def not_found(page: Page) -> None:
    go(page, "/nowhere/")


def empty(page: Page) -> None:
    go(page, "/")


def bulk_running(page: Page) -> None:
    """Pauses, or resumes what the picture before has paused, after the former order has ended."""
    go(page, "/bulk/")
    if (before := page.locator("main a[href*='/bulk/']")).count():
        before.first.click()
        page.wait_for_selector("[data-job][data-state=done]", timeout=120_000)
    verb = "pause" if active_translators(page) else "resume"
    page.locator("#tick-all").check()
    page.locator("#take-all").click()
    page.locator(f"#bulk button[value={verb}]").click()
    page.fill("dialog[open] textarea", "Wartung des Übersetzungsdienstes")
    page.locator("dialog[open] button.primary").click()
    page.wait_for_selector("[data-job][data-state=running] progress[value]:not([value='0'])")


def active_translators(page: Page) -> bool:
    go(page, "/?type=translator&state=active")
    if page.locator(".session-link").count():
        return True
    go(page, "/?type=translator&state=paused")
    return False


def past(page: Page) -> None:
    session(page)
    for _ in range(3):
        page.locator("#axis [role=slider]").press("Shift+ArrowLeft")
    page.wait_for_timeout(800)


def compare(page: Page) -> None:
    session(page)
    page.locator("a[href*='/compare/']").first.click()
    early = page.locator("select[name=a] option").nth(-2).get_attribute("value")
    page.select_option("select[name=a]", early)
    page.locator("form button.primary").click()
    page.wait_for_timeout(800)


def edit(page: Page) -> None:
    session(page)
    page.locator("a[href*='/edits/new/']").first.click()
    page.wait_for_timeout(800)


def conversations(page: Page) -> None:
    go(page, "/conversations/")


def bulk_orders(page: Page) -> None:
    go(page, "/bulk/")


SCENES: list[Scene] = [
    ("list", ALL, listing),
    ("session", ALL, session),
    ("rollback", ALL, rollback),
    ("filtered", TWO, filtered),
    ("nothing", ALL, nothing),
    ("search-error", ALL, search_error),
    ("ticked", TWO, ticked),
    ("bulk", TWO, bulk),
    ("bulk-done", TWO, bulk_done),
    ("view", TWO, view),
    ("wall", ALL, wall),
    ("palette", TWO, palette),
    ("completion", TWO, completion),
    ("trash", TWO, trash),
    ("help", ALL, help_sheet),
    ("offline", ALL, offline),
    ("paused", TWO, paused),
    ("rolled-back", TWO, rolled_back),
    ("failed", TWO, failed),
    ("fail-dialog", TWO, fail_dialog),
    ("past", TWO, past),
    ("compare", TWO, compare),
    ("edit", TWO, edit),
    ("conversations", TWO, conversations),
    ("bulk-orders", TWO, bulk_orders),
    ("admin", TWO, admin),
    ("not-found", TWO[:1], not_found),
]
ON_A_CROWD: list[Scene] = [("bulk-running", ALL, bulk_running)]
ON_NOTHING: list[Scene] = [("empty", ALL, empty)]

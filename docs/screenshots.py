"""Pictures of every page on real data: `python docs/screenshots.py`, or `make screenshots`.

Starts the whole dashboard with its demo agents in a folder of its own, lets them work for a while,
acts as an administrator would, and writes docs/screenshots/<scene>-<theme>-<width>-<language>.png.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.chromium import chromium  # noqa: E402
from tests.live import free_port  # noqa: E402

TARGET = ROOT / "docs" / "screenshots"
LET_THEM_WORK = float(os.environ.get("SCREENSHOTS_AFTER", "75"))
SIZES = {"wide": (1440, 900), "phone": (360, 740)}
ALL = list(product(("light", "dark"), SIZES, ("de", "en")))
TWO = [("light", "wide", "de"), ("dark", "phone", "de")]

Scene = tuple[str, list[tuple[str, str, str]], Callable[[Page], None]]


@contextmanager
def dashboard() -> Iterator[tuple[str, str]]:
    """The address and the administrator's password of a dashboard that serves."""
    port, password = free_port(), secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory(prefix="shots-") as folder:
        Path(folder).chmod(0o711)
        env = {
            **{k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "VALKEY_URL")},
            "DATA_DIR": folder,
            "PORT": str(port),
            "DASHBOARD_ADMIN_PASSWORD": password,
        }
        served = subprocess.Popen([sys.executable, "-m", "dashboard.serve"], cwd=ROOT, env=env)
        try:
            wait_for(f"http://127.0.0.1:{port}/healthz", served)
            yield f"http://127.0.0.1:{port}", password
        finally:
            served.send_signal(signal.SIGINT)
            served.wait(60)


def wait_for(address: str, served: subprocess.Popen[bytes]) -> None:
    for _ in range(120):
        if served.poll() is not None:
            sys.exit("the dashboard did not start; its own message stands above")
        try:
            urllib.request.urlopen(address, timeout=2).close()  # noqa: S310
            return
        except OSError:
            time.sleep(1)
    sys.exit("the dashboard did not answer within two minutes")


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
    page.fill(".view-form [name=name]", f"Korrekturen {time.monotonic():.0f}")
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
    go(page, "/?state=completed&state=failed")
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


SCENES: list[Scene] = [
    ("list", ALL, listing),
    ("session", ALL, session),
    ("rollback", ALL, rollback),
    ("filtered", TWO, filtered),
    ("nothing", TWO, nothing),
    ("search-error", TWO, search_error),
    ("ticked", TWO, ticked),
    ("bulk", TWO, bulk),
    ("bulk-done", TWO, bulk_done),
    ("view", TWO, view),
    ("wall", ALL, wall),
    ("palette", TWO, palette),
    ("completion", TWO, completion),
    ("trash", TWO, trash),
    ("help", TWO, help_sheet),
    ("offline", TWO, offline),
    ("paused", TWO, paused),
    ("rolled-back", TWO, rolled_back),
    ("failed", TWO, failed),
    ("fail-dialog", TWO, fail_dialog),
    ("admin", TWO[:1], admin),
    ("not-found", TWO[:1], not_found),
]


def log_in(browser: Browser, address: str, password: str, look: tuple[str, str, str]) -> Page:
    theme, size, language = look
    width, height = SIZES[size]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        locale="de-DE" if language == "de" else "en-GB",
        timezone_id="Europe/Berlin",
    )
    page.goto(f"{address}/login/")
    if look in TWO:
        page.screenshot(path=TARGET / name_of("login", look))
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", password)
    page.locator("button.primary").click()
    page.wait_for_selector("#connection")
    return page


def name_of(scene: str, look: tuple[str, str, str]) -> str:
    return f"{'-'.join((scene, *look))}.png"


def act(page: Page) -> None:
    """What an administrator does in a morning: one pause, one rollback, one end."""
    give(page, "/?type=grader&state=active", ".head-actions .primary", "Rubrik prüfen")
    give(
        page, "/?type=tutor&state=active", "#checkpoints a[data-dialog] >> nth=1", "Falsche Aufgabe"
    )
    session(page)
    page.locator("#more summary").click()
    confirm(page, "#more a[href*=failures]", "Endlosschleife beim Nachladen")


def give(page: Page, query: str, button: str, reason: str) -> None:
    open_session(page, query)
    confirm(page, button, reason)


def confirm(page: Page, button: str, reason: str) -> None:
    page.locator(button).click()
    page.fill("dialog[open] textarea", reason)
    page.locator("dialog[open] .dialog-actions button").click()
    page.wait_for_selector("dialog[open]", state="detached")


def main(wanted: set[str]) -> None:
    TARGET.mkdir(exist_ok=True)
    with dashboard() as (address, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium())
        print(f"==> letting the agents work for {LET_THEM_WORK:.0f} s", flush=True)
        time.sleep(LET_THEM_WORK)
        page = log_in(browser, address, password, ALL[0])
        act(page)
        page.close()
        for look in ALL:
            page = log_in(browser, address, password, look)
            for scene, looks, show in SCENES:
                if look in looks and (not wanted or scene in wanted):
                    picture(page, scene, look, show)
            page.close()
        browser.close()


def picture(
    page: Page, scene: str, look: tuple[str, str, str], show: Callable[[Page], None]
) -> None:
    try:
        show(page)
    except Exception as error:  # one scene that is not there now does not cost the others
        print(f"    {name_of(scene, look)}: not taken: {str(error).splitlines()[0]}", flush=True)
        return
    page.screenshot(path=TARGET / name_of(scene, look))
    print(f"    {name_of(scene, look)}", flush=True)


if __name__ == "__main__":
    main(set(sys.argv[1:]))

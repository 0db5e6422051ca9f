"""Takes the screenshots: `python -m tools.screenshots [SCENE …]`.

Starts the whole dashboard with its demo agents in a folder of its own, lets them work for a while,
acts as an administrator, and writes docs/screenshots/<scene>-<theme>-<size>-<language>.png.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.chromium import chromium
from tools.screenshots.sample_dashboard import Served, dashboard
from tools.screenshots.scenes import (
    ALL,
    ON_A_CROWD,
    ON_NOTHING,
    SCENES,
    SIZES,
    TWO,
    Look,
    Scene,
    act,
)

TARGET = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
LET_THEM_WORK = float(os.environ.get("SCREENSHOTS_AFTER", "75"))


def main(wanted: set[str]) -> None:
    TARGET.mkdir(exist_ok=True)

    def chosen(scenes: list[Scene]) -> list[Scene]:
        return [scene for scene in scenes if not wanted or scene[0] in wanted]

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium())
        if scenes := chosen(ON_NOTHING):
            with dashboard(demo=False) as served:
                take(browser, served, scenes)
        if chosen(SCENES) or chosen(ON_A_CROWD):
            with dashboard() as served:
                work(browser, served)
                take(browser, served, chosen(SCENES))
                if scenes := chosen(ON_A_CROWD):
                    # in another thread, because Playwright runs an event loop in this one
                    with ThreadPoolExecutor(1) as thread:
                        thread.submit(asyncio.run, served.add_crowd()).result()
                    take(browser, served, scenes)
        browser.close()


def work(browser: Browser, served: Served) -> None:
    print(f"==> letting the agents work for {LET_THEM_WORK:.0f} s", flush=True)
    time.sleep(LET_THEM_WORK)
    page = log_in(browser, served, ALL[0])
    act(page)
    page.close()


def take(browser: Browser, served: Served, scenes: list[Scene]) -> None:
    for look in ALL:
        here = [scene for scene in scenes if look in scene[1]]
        if not here:
            continue
        page = log_in(browser, served, look)
        for scene in here:
            picture(page, scene, look)
        page.close()


def log_in(browser: Browser, served: Served, look: Look) -> Page:
    theme, size, language = look
    width, height = SIZES[size]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        locale="de-DE" if language == "de" else "en-GB",
        timezone_id="Europe/Berlin",
    )
    page.goto(f"{served.address}/login/")
    if look in TWO:
        save(page, "login", look)
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", served.password)
    page.locator("button.primary").click()
    page.wait_for_selector("#connection")
    return page


def picture(page: Page, scene: Scene, look: Look) -> None:
    name, _, show = scene
    try:
        show(page)
    except Exception as error:  # a failed scene must not prevent the others
        print(f"    {name} {look}: not taken: {str(error).splitlines()[0]}", flush=True)
        return
    save(page, name, look)


def save(page: Page, scene: str, look: Look) -> None:
    """Saves with a palette of 256 colours, which is a third of the size; pages have fewer."""
    path = TARGET / f"{'-'.join((scene, *look))}.png"
    taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    taken.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"    {path.name}", flush=True)


if __name__ == "__main__":
    main(set(sys.argv[1:]))

"""The tests' browser has Playwright's settings, without features that no test needs."""

from __future__ import annotations

from contextlib import suppress

import psutil
from playwright.sync_api import Browser

from tests.support.chromium import PLAYWRIGHT_DISABLES, UNUSED

DISABLE = "--disable-features="


def arguments(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess):  # renderers come and go
        return list(process.cmdline())
    return []


def test_what_playwright_disables_stays_disabled(browser: Browser) -> None:
    assert browser.is_connected()
    found = [arguments(child) for child in psutil.Process().children(recursive=True)]
    started = [each for each in found if "--remote-debugging-pipe" in each and not is_child(each)]
    assert started
    for one in started:  # one that it forks has its arguments for a moment
        said = [each.removeprefix(DISABLE) for each in one if each.startswith(DISABLE)]
        assert said == [PLAYWRIGHT_DISABLES, f"{PLAYWRIGHT_DISABLES},{UNUSED}"]


def is_child(arguments: list[str]) -> bool:
    """Renderers have the browser's arguments and some of their own."""
    return any(each.startswith("--type=") for each in arguments)

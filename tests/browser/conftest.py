"""Real sessions, the real server, Chromium; errors and warnings in a page's console fail the test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize

from tests.app.pages.conftest import _a_manager_of_its_own, make_session
from tests.support.dashboard import LiveDashboard, session_cookie

from .contexts import Contexts

__all__ = ["_a_manager_of_its_own", "make_session"]
Open = Callable[..., Page]


@pytest.fixture(scope="session", autouse=True)
def _database_before_browser(migrated: str) -> None:
    """Migrates before Playwright's loop runs, in which Django refuses to."""


@pytest.fixture(scope="session")
def dashboard(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDashboard]:
    """One server for all these tests; its tables are emptied while it runs."""
    log = tmp_path_factory.mktemp("dashboard") / "daphne.log"
    live = LiveDashboard.start(log, {"DJANGO_SETTINGS_MODULE": "tests.browser.settings"})
    yield live
    live.stop()


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> Contexts:
    return Contexts(browser)


@pytest.fixture
def open_page(
    transactional_db: None, contexts: Contexts, dashboard: LiveDashboard, operator: Any, viewer: Any
) -> Iterator[Open]:
    """`open_page("/", as_viewer=True, width=360)`: a page of a logged-in user."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def open_page(path: str = "/", *, as_viewer: bool = False, **options: Any) -> Page:
        width, height = options.pop("width", 1440), options.pop("height", 900)
        size = ViewportSize(width=width, height=height)
        options.setdefault("locale", "de-DE")
        options.setdefault("reduced_motion", "reduce")
        context = contexts.take(timezone_id="Europe/Berlin", **options)
        person = viewer if as_viewer else operator
        context.add_cookies([session_cookie(dashboard.url, person)])  # type: ignore[list-item]
        page = context.new_page()
        page.set_viewport_size(size)
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{dashboard.url}{path}")
        return page

    yield open_page
    contexts.give_back([dashboard.url])
    expected = (
        "409", "422", "403", "404", "503", "WebSocket", "ERR_CONNECTION", "ERR_FAILED",
        "ERR_INTERNET_DISCONNECTED",
        # On busy machines, which take seconds for the layout. test_policy checks that the font is used.
        "was preloaded using link preload but not used within a few seconds",
    )  # fmt: skip
    assert [text for text in complaints if not any(word in text for word in expected)] == []

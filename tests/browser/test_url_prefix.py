"""Below a path prefix, behind a real proxy: no request of any page leaves the prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, WebSocket, expect

from agent_sessions import AgentSession
from sessions_app import actions
from tests.support.dashboard import LiveDashboard, give_password
from tests.support.prefix_proxy import PrefixProxy

from .test_list import wait_until_live

PREFIX = "/agents"
ADDRESSES = """() => [...document.querySelectorAll("[href], [src], [action], use")]
    .flatMap((node) => ["href", "src", "action", "formaction"].map((name) => node.getAttribute(name)))
    .filter((address) => address && !/^(#|\\?|data:|$)/.test(address))"""

Make = Callable[..., AgentSession]


both_ways = pytest.mark.parametrize(
    "strips", [False, True], ids=["the prefix passed on", "the prefix taken away"]
)


class Visit:
    """A page with every URL that it requested."""

    def __init__(self, page: Page, proxy: PrefixProxy) -> None:
        self.page, self.proxy = page, proxy
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", self._note)
        page.on("websocket", self._note)
        page.on("console", self._note_error)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, request: Request | WebSocket) -> None:
        self.asked.append(request.url)

    def _note_error(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(said.text)

    def open(self, path: str) -> None:
        self.page.goto(f"{self.proxy.url}{path}")

    def log_in(self) -> None:
        self.page.fill("[name=username]", "olga")
        self.page.fill("[name=password]", "olga")
        self.page.locator("main form .primary, input[type=submit]").first.click()

    def is_at(self, path: str) -> None:
        expect(self.page).to_have_url(f"{self.proxy.url}{path}")

    def stays_below_the_prefix(self) -> None:
        written = [address for address in self.page.evaluate(ADDRESSES) if address.startswith("/")]
        asked = [urlsplit(url).path for url in self.asked if not url.startswith(("data:", "blob:"))]
        assert asked
        outside = [path for path in [*written, *asked] if not path.startswith(f"{PREFIX}/")]
        assert (outside, self.proxy.outside, self.complaints) == ([], [], [])


@pytest.fixture(scope="module")
def dashboard(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDashboard]:
    log = tmp_path_factory.mktemp("dashboard") / "daphne.log"
    live = LiveDashboard.start(log, {"URL_PREFIX": PREFIX})
    yield live
    live.stop()


@pytest.fixture
def strips() -> bool:
    """Whether the proxy removes the prefix. Pages look the same either way, so some tests try only one."""
    return False


@pytest.fixture
def visit(
    strips: bool,
    transactional_db: None,
    dashboard: LiveDashboard,
    browser: Browser,
    operator: User,
) -> Iterator[Visit]:
    give_password(operator, "olga")
    proxy = PrefixProxy(dashboard.url, PREFIX, strips=strips)
    context = browser.new_context(locale="de-DE", viewport={"width": 1440, "height": 900})
    visit = Visit(context.new_page(), proxy)
    yield visit
    context.close()
    proxy.stop()


@both_ways
def test_the_list_is_live_and_gives_orders(visit: Visit, make_session: Make) -> None:
    page = visit.page
    visit.open("/?type=tutor")
    visit.is_at("/login/?next=/agents/%3Ftype%3Dtutor")
    visit.log_in()
    visit.is_at("/?type=tutor")
    wait_until_live(page)
    session = make_session("tutor")
    page.locator("#newcomers").click()
    row = page.locator(f"#row-{session.session_id}")
    expect(row).to_be_visible()
    actions.perform("pause", session.session_id, actor="x")
    expect(row).to_have_attribute("data-state", "paused")
    visit.stays_below_the_prefix()  # including the row rendered by the feed
    row.locator(".row-more").click()
    page.locator("#row-menu [data-verb=resume]").click()
    page.locator("#dialog button.primary").click()
    expect(row).to_have_attribute("data-state", "active")
    row.locator(".session-link").click()
    visit.is_at(f"/sessions/{session.session_id}/")
    visit.stays_below_the_prefix()


@both_ways
def test_a_session_is_followed_ordered_and_edited(visit: Visit, make_session: Make) -> None:
    page, session = visit.page, make_session("tutor", checkpoints=("first", "second"))
    here = f"/sessions/{session.session_id}"
    visit.open(f"{here}/")
    visit.log_in()
    visit.is_at(f"{here}/")
    wait_until_live(page)
    expect(page.locator("#presence")).to_be_attached()
    actions.perform("pause", session.session_id, actor="x")
    expect(page.locator("#session-head")).to_contain_text("pausiert", ignore_case=True)
    page.locator("a[data-dialog]:visible").first.click()
    page.locator("#dialog button.primary, #dialog button.danger-fill").first.click()
    expect(page.locator("#dialog")).to_be_hidden()
    visit.stays_below_the_prefix()
    visit.open(f"{here}/edits/new/?part=context")
    with page.expect_response(lambda answer: "/drafts/" in answer.url) as drafted:
        page.locator("form[data-edit] textarea").first.fill('{"step": 2, "note": "by hand"}')
    assert drafted.value.ok
    page.locator("form[data-edit] [name=reason]").fill("by hand")
    page.locator("form[data-edit] [value=preview]").click()
    expect(page.locator("form[data-edit] button.primary")).not_to_have_attribute("value", "preview")
    page.locator("form[data-edit] button.primary").click()
    visit.is_at(f"{here}/")
    visit.stays_below_the_prefix()
    visit.open(f"{here}/compare/")
    visit.open(f"{here}/rollbacks/new/?checkpoint=1")
    visit.stays_below_the_prefix()


def test_views_bulk_orders_wall_and_palette(visit: Visit, make_session: Make) -> None:
    page, session = visit.page, make_session("tutor")
    visit.open("/login/?next=/agents/%3Ftype%3Dtutor%26state%3Dactive")
    visit.log_in()
    wait_until_live(page)
    page.get_by_text("Als Ansicht speichern …").click()
    page.locator(".view-form [name=name]").fill("Tutoren")
    page.locator(".view-form button.primary").click()
    wait_until_live(page)
    expect(page.locator("[data-view-count] .n")).to_have_text("1")
    copied = page.locator("[data-copy*=http]").get_attribute("data-copy")
    assert copied is not None
    assert copied.startswith(f"{visit.proxy.url}/?")
    with page.expect_response(lambda answer: "/completions/" in answer.url) as completed:
        page.locator("#q").press_sequentially("tu")
    assert completed.value.ok
    page.locator("#tick-all").click()
    page.locator("#bulk button[value=pause]").click()
    page.locator("#dialog button.primary").click()
    expect(page.locator("#dialog [data-job]")).to_be_visible()
    visit.stays_below_the_prefix()
    commands = {
        "Sammelaufträge": "/bulk/",
        "Großbildansicht": "/wall/",
        session.session_id: f"/sessions/{session.session_id}/",
        "irgendwas": "/?q=irgendwas",
    }
    for command, path in commands.items():
        visit.open("/?all")
        wait_until_live(page)
        page.keyboard.press("Control+k")
        page.locator("#palette-text").fill(command)
        page.keyboard.press("Enter")
        visit.is_at(path)
        visit.stays_below_the_prefix()


@both_ways
def test_the_administration_and_the_way_out(visit: Visit, make_session: Make) -> None:
    page, session = visit.page, make_session("tutor")
    visit.open("/admin/")
    visit.log_in()
    visit.is_at("/admin/")
    visit.stays_below_the_prefix()
    for path in (
        "sessions_app/agentsession/",
        f"sessions_app/agentsession/{session.session_id}/change/",
    ):
        visit.open(f"/admin/{path}")
        visit.stays_below_the_prefix()
    visit.open("/nothing/here/")
    visit.complaints.clear()  # the browser reports the 404
    page.get_by_role("link", name="Zur Liste der Sitzungen").click()
    visit.is_at("/")
    wait_until_live(page)
    page.locator(".topbar details.menu:has([data-theme-form]) summary").click()
    page.locator("[data-theme-form] [value=dark]").click()
    page.locator(".segmented [value=en]").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    wait_until_live(page)
    page.locator("details.menu:has(.avatar) summary").click()
    page.get_by_role("button", name="Log out").click()
    visit.is_at("/login/")
    visit.stays_below_the_prefix()


def test_a_page_whose_log_in_has_ended_leads_to_the_log_in_and_back(
    visit: Visit, make_session: Make
) -> None:
    make_session("tutor")
    visit.open("/?type=tutor")
    visit.log_in()
    wait_until_live(visit.page)
    visit.page.context.clear_cookies()
    visit.page.locator("#refresh").click()
    visit.is_at("/login/?next=%2Fagents%2F%3Ftype%3Dtutor")
    visit.log_in()
    visit.is_at("/?type=tutor")
    visit.stays_below_the_prefix()

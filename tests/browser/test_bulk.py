"""Bulk orders in a browser survive the tab and the web process that began them."""

import time
from collections.abc import Callable, Iterator, Sequence

import psycopg
import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from sessions_app.bulk.models import BulkJob
from sessions_app.bulk.progress import progress
from tests.app.pages.conftest import age
from tests.support.agents import Agent
from tests.support.dashboard import LiveDashboard, session_cookie
from tests.support.waiting import HANGS

from .test_list import wait_until_live

# No agent is attached, so nothing is confirmed.
ORDERED = "Aufträge erteilt, aber noch nicht überall bestätigt."

Make = Callable[..., AgentSession]
Open = Callable[..., Page]


def many(n: int, agent_type: str = "grader") -> None:
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO agent_sessions (id, agent_type, user_id) "
            "SELECT gen_random_uuid(), %s, 'maria' FROM generate_series(1, %s)",
            (agent_type, n),
        )


def choose_everything(page: Page, verb: str) -> None:
    page.locator("#tick-all").click()
    page.locator("#take-all").click()
    page.locator(f"#bulk button[value={verb}]").click()


def wait_until_ended(job: BulkJob, seconds: float = HANGS) -> None:
    deadline = time.monotonic() + seconds
    while job.state == "running" and time.monotonic() < deadline:
        time.sleep(0.2)
        job.refresh_from_db()


def test_all_that_match_are_ordered_and_it_goes_on_when_the_tab_is_closed(open_page: Open) -> None:
    many(600)
    page = open_page("/?type=grader")
    wait_until_live(page)
    page.locator("#tick-all").click()
    expect(page.locator("#take-all")).to_have_text("Alle 600 Treffer auswählen")
    page.locator("#take-all").click()
    expect(page.locator("#bulk-count")).to_have_text("600 ausgewählt")
    page.locator("#bulk button[value=pause]").click()
    dialog = page.locator("dialog#dialog")
    expect(dialog).to_contain_text("Bei 600 Sitzungen wird der Auftrag ausgeführt.")
    dialog.locator("button.primary").click()
    expect(dialog.locator("[data-job]")).to_be_visible()
    page.close()
    job = BulkJob.objects.get()
    wait_until_ended(job)
    assert (job.state, progress(job).counts) == ("done", {"done": 600})


def test_the_dialog_shows_progress_and_offers_to_undo(open_page: Open, make_session: Make) -> None:
    made = make_session()
    page = open_page("/")
    wait_until_live(page)
    page.locator("#rows input").first.click()
    page.locator("#bulk button[value=delete]").click()
    dialog = page.locator("dialog#dialog")
    dialog.locator("textarea").fill("Versehen")
    dialog.locator("button.danger-fill").click()
    expect(dialog.locator(".job-line")).to_have_text(ORDERED)
    expect(page.locator(f"#row-{made.session_id}")).to_have_class("row left")
    dialog.get_by_role("button", name="Rückgängig machen (1)").click()
    expect(dialog).to_contain_text("Macht die Änderungen des vorherigen Auftrags rückgängig")
    dialog.locator("button.primary").click()
    expect(dialog.locator(".job-line")).to_have_text(ORDERED)
    dialog.locator("[data-cancel]").click()
    page.keyboard.press("r")
    expect(page.locator(f"#row-{made.session_id}")).to_contain_text("Wird fortgesetzt")


def test_what_a_killed_web_process_began_another_ends(
    start_dashboard: Callable[..., LiveDashboard], open_page: Open, operator: object
) -> None:
    many(1500)
    first = start_dashboard()
    page = open_page("/")
    page.context.add_cookies([session_cookie(first.url, operator)])  # type: ignore[list-item, arg-type]
    page.goto(f"{first.url}/?type=grader")
    choose_everything(page, "pause")
    page.locator("dialog button.primary").click()
    expect(page.locator("[data-job]")).to_be_visible()
    job = BulkJob.objects.get()
    first.child.process.kill()
    assert progress(job).waiting > 0
    page.close()
    start_dashboard()
    wait_until_ended(job)
    assert (job.state, progress(job).counts) == ("done", {"done": 1500})


@pytest.fixture
def start_agent() -> Iterator[Callable[..., Agent]]:
    started: list[Agent] = []

    def start(made: AgentSession, parts: int = 1) -> Agent:
        started.append(Agent(made.session_id, parts))
        return started[-1]

    yield start
    for agent in started:
        agent.stop()


GERMAN = (
    "Auftrag erteilt",
    "vom Agenten bestätigt",
    "noch nicht bestätigt",
    "kein Agent vorhanden",
)
ENGLISH = ("ordered", "confirmed by the agent", "not yet confirmed", "no agent there")


def expect_counts(page: Page, words: Sequence[str], counts: Sequence[int]) -> None:
    """Labels with their numbers; a label that is not shown counts 0."""
    for word, n in zip(words, counts, strict=True):
        shown = page.locator(".job-counts div").filter(has=page.get_by_text(word, exact=True))
        if n:
            expect(shown.locator("dd")).to_have_text(str(n), timeout=20_000)
        else:
            expect(shown).to_have_count(0, timeout=20_000)


def test_a_bulk_pause_says_live_whose_agent_has_confirmed_who_works_and_where_none_is(
    open_page: Open, make_session: Make, start_agent: Callable[..., Agent]
) -> None:
    obeying, busy, dead = (make_session(user_id=name) for name in ("obeying", "busy", "dead"))
    start_agent(obeying).let_a_part_go_on()
    working = start_agent(busy)
    start_agent(dead).die()
    age(dead.session_id, 3600, 3600)
    page = open_page("/")
    wait_until_live(page)
    page.locator("#tick-all").click()
    page.locator("#bulk button[value=pause]").click()
    page.locator("dialog button.primary").click()
    dialog = page.locator("dialog#dialog")
    expect(dialog.locator("[data-job]")).to_be_visible()
    expect_counts(page, GERMAN, (3, 1, 1, 1))
    expect(dialog.locator(".job-line")).to_contain_text("noch nicht überall bestätigt")
    address = f"/bulk/{BulkJob.objects.get().pk}/"
    pages = {ENGLISH: open_page(address, locale="en-GB"), GERMAN: open_page(address)}
    for words, job_page in pages.items():
        expect_counts(job_page, words, (3, 1, 1, 1))
    shown = [page, *pages.values()]
    for one in shown:
        one.evaluate("window.notReloaded = true")
    working.let_a_part_go_on()
    for words, one in ((GERMAN, page), *pages.items()):
        expect_counts(one, words, (3, 2, 0, 1))
    expect(dialog.locator(".job-line")).not_to_contain_text("Fertig")
    assert all(one.evaluate("window.notReloaded") for one in shown)


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("de-DE", "1 von 2 Teilaufgaben noch in Arbeit"),
        ("en-GB", "1 of 2 parts still at work"),
    ],
)
def test_a_pause_says_live_how_many_parts_are_still_at_work(
    open_page: Open, make_session: Make, start_agent: Callable[..., Agent], locale: str, words: str
) -> None:
    made = make_session()
    agent = start_agent(made, parts=2)
    page = open_page(f"/sessions/{made.session_id}/", locale=locale)
    expect(page.locator("#connection")).to_have_attribute("data-status", "live", timeout=15_000)
    page.evaluate("window.notReloaded = true")
    page.locator("#session-head a[href*='/pauses/']").first.click()
    page.locator("dialog form button.primary").click()
    agent.let_a_part_go_on()
    expect(page.locator("main")).to_contain_text(words, timeout=20_000)
    agent.let_a_part_go_on()
    expect(page.locator("main")).not_to_contain_text(words[4:], timeout=20_000)
    expect(page.locator("#session-head")).to_have_attribute("data-state", "paused")
    assert page.evaluate("window.notReloaded")

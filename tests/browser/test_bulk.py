"""Bulk orders in a browser: they outlive the tab and the web process that began them."""

import time
from collections.abc import Callable

import psycopg
import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from sessions_app.bulk.models import BulkJob
from sessions_app.bulk.progress import progress
from tests.support.dashboard import LiveDashboard, session_cookie
from tests.support.waiting import HANGS

from .test_list import wait_until_live

pytestmark = pytest.mark.browser
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
    expect(dialog).to_contain_text("600 Sitzungen erhalten die Anordnung.")
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
    expect(dialog.locator(".job-line")).to_have_text("Fertig.")
    expect(page.locator(f"#row-{made.session_id}")).to_have_class("row left")
    dialog.get_by_role("button", name="Rückgängig (1)").click()
    expect(dialog).to_contain_text("nimmt zurück")
    dialog.locator("button.primary").click()
    expect(dialog.locator(".job-line")).to_have_text("Fertig.")
    dialog.locator("[data-cancel]").click()
    page.keyboard.press("r")
    expect(page.locator(f"#row-{made.session_id}")).to_contain_text("Wird fortgesetzt")


def test_what_a_killed_web_process_began_another_ends(
    start_dashboard: Callable[..., LiveDashboard], open_page: Open, operator: object
) -> None:
    many(3000)
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
    wait_until_ended(job, 90)
    assert (job.state, progress(job).counts) == ("done", {"done": 3000})

"""A conversation that continues while it is read: live, at its end, in every sharing session."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from tests.app.pages.test_session_panels import talk
from tests.support.dashboard import own_environment
from tests.support.waiting import until

from .test_session import opened
from .test_time import drawn

Make = Callable[..., AgentSession]
Open = Callable[..., Page]

GROWN = "n => document.querySelectorAll('#turns .turn').length > n"
FROM_THE_END = "e => e.scrollHeight - e.scrollTop - e.clientHeight"
COUNT_FETCHES = """() => {
  window.fetched = [];
  const real = window.fetch;
  window.fetch = (address, ...rest) => (window.fetched.push(String(address)), real(address, ...rest));
}"""


@pytest.fixture
def tutor(database_url: str, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """A demo tutor in its own process: a function that returns the id of its newest session."""
    environment = own_environment(
        {"DEMO_PACE": "0.1", "DEMO_BEAT": "0.5", "DEMO_DIR": str(tmp_path / "demo")}
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "demo.tutor", "tutor-1"], cwd=settings.BASE_DIR, env=environment
    )

    def held() -> str:
        """The id of the tutor's newest session, whose quiz still lasts for a while."""
        with psycopg.connect(database_url) as connection:
            row = connection.execute(
                "SELECT id::text FROM agent_sessions WHERE agent_type = 'tutor' ORDER BY created_at DESC"
            ).fetchone()
        return str(row[0]) if row else ""

    until(held)
    yield held
    process.terminate()
    process.wait(10)


def test_the_conversation_of_a_working_tutor_grows_while_one_reads(
    open_page: Open, tutor: Callable[[], str]
) -> None:
    page = open_page(f"/sessions/{tutor()}/", height=700)
    turns = page.locator("#turns")
    expect(turns.locator(".turn").nth(5)).to_be_attached()
    page.evaluate("window.sameDocument = true")
    seen = turns.locator(".turn").count()
    page.wait_for_function(GROWN, arg=seen + 2)
    assert turns.evaluate(FROM_THE_END) < 5, "the end is in sight"
    page.wait_for_function("() => document.querySelector('#turns').scrollTop > 50")
    turns.evaluate("e => { e.scrollTop = 10 }")
    seen = turns.locator(".turn").count()
    page.wait_for_function(GROWN, arg=seen + 2)
    assert turns.evaluate("e => e.scrollTop") == 10, "who reads further up is left there"
    assert page.evaluate("window.sameDocument")
    expect(page.locator("#conversation")).to_contain_text("Verstanden als")


def test_a_turn_shows_without_any_change_of_the_session(
    open_page: Open, make_session: Make
) -> None:
    made = make_session("tutor")
    talk(made.session_id, ("Und in Hengelo?", "12 Museen"))
    page = opened(open_page, made)
    version = page.locator("#session-head").get_attribute("data-version")
    page.evaluate(COUNT_FETCHES)
    talk(made.session_id, ("Und in Enschede?", "7 Museen"))
    expect(page.locator("#turns .turn").last).to_contain_text("7 Museen")
    expect(page.locator("#conversation .count").first).to_have_text("4 Beiträge")
    expect(page.locator("#session-head")).to_have_attribute("data-version", str(version))
    fetched = [a for a in page.evaluate("window.fetched") if "/presence/" not in a]
    assert fetched == [f"/sessions/{made.session_id}/conversation/"], "only its panel is read again"


def test_the_first_turn_brings_the_panel(open_page: Open, make_session: Make) -> None:
    made = make_session("tutor")
    page = opened(open_page, made)
    expect(page.locator("#conversation")).to_have_count(0)
    talk(made.session_id, ("Und in Enschede?", "7 Museen"))
    expect(page.locator("#turns .turn").last).to_contain_text("7 Museen")


def test_every_session_that_shares_a_conversation_shows_its_turns(
    open_page: Open, make_session: Make
) -> None:
    one = make_session("tutor", context={"conversation_id": "klasse-7b"})
    other = make_session("grader", context={"conversation_id": "klasse-7b"})
    pages = [opened(open_page, made) for made in (one, other)]
    talk("klasse-7b", ("Und in Enschede?", "7 Museen"))
    for page in pages:
        expect(page.locator("#turns .turn").last).to_contain_text("7 Museen")
        expect(page.locator("#conversation")).to_contain_text("klasse-7b")


def test_who_looks_at_the_past_is_not_brought_back_by_a_turn(
    open_page: Open, make_session: Make
) -> None:
    made = make_session("tutor", checkpoints=("first", "second"))
    talk(made.session_id, ("Und in Hengelo?", "12 Museen"))
    page = opened(open_page, made)
    drawn(page)
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    expect(page.locator("#past-bar")).to_be_visible()
    talk(made.session_id, ("Und in Enschede?", "7 Museen"))
    page.wait_for_timeout(800)
    expect(page.locator("#past-bar")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#turns .turn").last).to_contain_text("7 Museen")

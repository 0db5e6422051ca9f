"""An administrator edits while the agent works."""

import sys
from collections.abc import Callable, Iterator
from subprocess import PIPE, Popen
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from sessions_app import manager_portal

from .conftest import Open

Make = Callable[..., AgentSession]

# Makes one turn for each line it reads, so that the test decides when it writes.
AGENT = """
import asyncio, sys
from agent_sessions import SessionManager

async def main(database, valkey, session_id):
    async with await SessionManager.connect(database, valkey) as manager:
        async with manager.attach(session_id, complete=False) as run:
            print("attached", flush=True)
            while line := await asyncio.to_thread(sys.stdin.readline):
                key = line.strip()
                run.context[key] = run.context.get(key, 0) + 1
                run.context["turns"].append(key)
                await run.checkpoint("turn")
                print("stored", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


class Agent:
    def __init__(self, process: "Popen[str]") -> None:
        self._process = process
        self.answered("attached")

    def answered(self, wanted: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == wanted

    def take_turn(self, key: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{key}\n")
        self._process.stdin.flush()
        self.answered("stored")


@pytest.fixture
def start_agent(emptied: str) -> Iterator[Callable[[AgentSession], Agent]]:
    started: list[Popen[str]] = []

    def start(made: AgentSession) -> Agent:
        line = [sys.executable, "-c", AGENT, emptied, settings.VALKEY_URL, made.session_id]
        started.append(Popen(line, stdin=PIPE, stdout=PIPE, text=True))
        return Agent(started[-1])

    yield start
    for process in started:
        process.kill()
        process.communicate()


def context_of(made: AgentSession) -> Any:
    found = manager_portal.call(lambda manager: manager.read(made.session_id))
    return found and found.context


def opened(open_page: Open, made: AgentSession, **options: Any) -> Page:
    return open_page(f"/sessions/{made.session_id}/edits/new/", **options)


def store(page: Page, reason: str) -> None:
    page.locator("textarea[name=reason]").fill(reason)
    page.locator("button[value=preview]").click()
    page.locator("button[value=save]").click()


def test_what_the_administrator_and_the_agent_write_meanwhile_are_both_there(
    open_page: Open, make_session: Make, start_agent: Callable[[AgentSession], Agent]
) -> None:
    made = make_session("tutor", context={"skill": "Brüche", "position": 0, "turns": []})
    agent = start_agent(made)
    agent.take_turn("position")
    page = opened(open_page, made)
    agent.take_turn("position")
    field = page.locator("textarea.json")
    field.fill(field.input_value().replace('"Brüche"', '"Dezimalzahlen",\n  "note": "langsamer"'))
    agent.take_turn("position")
    store(page, "Falsches Thema")
    expect(page.locator("#tree-context")).to_contain_text("Dezimalzahlen")
    agent.take_turn("position")
    assert context_of(made) == {
        "skill": "Dezimalzahlen",
        "note": "langsamer",
        "position": 4,
        "turns": ["position"] * 4,
    }


def test_a_conflict_on_one_path_is_shown_side_by_side_and_decided(
    open_page: Open, make_session: Make, start_agent: Callable[[AgentSession], Agent]
) -> None:
    made = make_session("tutor", context={"skill": "Brüche", "position": 0, "turns": []})
    agent = start_agent(made)
    page = opened(open_page, made, width=390)
    agent.take_turn("position")
    page.locator("textarea.json").fill('{"skill": "Brüche", "position": 70, "turns": []}')
    page.locator("textarea[name=reason]").fill("Noch einmal von vorn")
    page.locator("button[value=preview]").click()
    conflict = page.locator(".conflict")
    expect(conflict).to_have_count(1)
    expect(conflict.locator("legend")).to_have_text("position")
    expect(conflict.locator("pre")).to_have_text(["0", "1", "70"])
    expect(conflict).to_contain_text("geändert von tutor")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    conflict.get_by_text("Meine Eingabe verwenden").click()
    page.locator("button[value=save]").click()
    expect(page.locator("#tree-context")).to_contain_text("70")
    agent.take_turn("pages")
    assert context_of(made) == {
        "skill": "Brüche",
        "position": 70,
        "pages": 1,
        "turns": ["position", "pages"],
    }

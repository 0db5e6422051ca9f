"""A verb that is added to the table with a right of its own works everywhere, and a real agent obeys it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from playwright.sync_api import Browser, Page, expect

from agent_sessions import AgentSession
from sessions_app import models
from sessions_app.api import tokens
from tests.support.agents import Agent
from tests.support.dashboard import LiveDashboard, session_cookie
from tests.support.made_up_verb import CHECKPOINT, HOLD, PERMISSION, REMOVED, SQL
from tests.support.waiting import until

Make = Callable[..., AgentSession]


@pytest.fixture(scope="module")
def dashboard(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDashboard]:
    log = tmp_path_factory.mktemp("dashboard") / "daphne.log"
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute(SQL)
        live = LiveDashboard.start(
            log, {"DJANGO_SETTINGS_MODULE": "tests.support.made_up_verb.settings"}
        )
        yield live
        live.stop()
        connection.execute(REMOVED)


@pytest.fixture
def holder(transactional_db: None, operator: User) -> User:
    """A user who may give every order, the new one included."""
    content_type = ContentType.objects.get_for_model(models.AgentSession)
    right, _ = Permission.objects.get_or_create(
        codename=PERMISSION, content_type=content_type, defaults={"name": "Can hold agent sessions"}
    )
    operator.user_permissions.add(right)
    operator.is_staff = True
    operator.save(update_fields=["is_staff"])
    return operator


@pytest.fixture
def session(transactional_db: None, make_session: Make) -> AgentSession:
    return make_session("grader")


@pytest.fixture
def agent(session: AgentSession) -> Iterator[Agent]:
    agent = Agent(session.session_id)
    yield agent
    agent.stop()


@pytest.fixture
def page(browser: Browser, dashboard: LiveDashboard, operator: User) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB", viewport={"width": 1440, "height": 900})
    context.add_cookies([session_cookie(dashboard.url, operator)])  # type: ignore[list-item]
    yield context.new_page()
    context.close()


def row_of(session: AgentSession) -> models.AgentSession:
    return models.AgentSession.objects.get(id=session.session_id)


def is_ordered_and_obeyed(session: AgentSession, agent: Agent, actor: str) -> None:
    row = row_of(session)
    assert (row.state, row.order_verb, row.order_actor) == ("paused", HOLD, actor)
    assert row.order_version > row.acknowledged_version  # the agent's part is at work
    agent.let_a_part_go_on()
    until(lambda: row_of(session).acknowledged_version == row.order_version)
    checkpoints = models.Checkpoint.objects.filter(session_id=session.session_id)
    assert checkpoints.order_by("-n").values_list("name", flat=True)[0] == CHECKPOINT


def test_the_new_verb_works_on_the_page(
    holder: User, session: AgentSession, agent: Agent, page: Page, dashboard: LiveDashboard
) -> None:
    page.goto(f"{dashboard.url}/sessions/{session.session_id}/")
    page.locator("#more summary").click()
    page.locator("#more").get_by_text("Hold", exact=True).click()
    expect(page.locator("#dialog")).to_contain_text("The agent waits until somebody resumes it.")
    page.locator("#dialog [name=reason]").fill("a look at it")
    page.locator("#dialog button.primary, #dialog button.danger-fill").first.click()
    expect(page.locator("#history")).to_contain_text("Hold ordered")
    expect(page.locator("#session-head .sign.pill")).to_have_text("Pausing")
    is_ordered_and_obeyed(session, agent, holder.username)
    expect(page.locator("#session-head .sign.pill")).to_have_text("Paused")
    axis = page.request.get(f"{dashboard.url}/sessions/{session.session_id}/timeline/").json()
    assert [band["state"] for band in axis["states"]] == ["active", "pausing", "paused"]


def test_the_new_verb_works_in_a_row_s_menu_and_in_bulk(
    holder: User, session: AgentSession, agent: Agent, page: Page, dashboard: LiveDashboard
) -> None:
    page.goto(f"{dashboard.url}/?type=grader")
    row = page.locator(f"#row-{session.session_id}")
    row.locator(".row-more").click()
    expect(page.locator("#row-menu").get_by_text("Hold", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    row.locator(".c-tick input").check()
    page.locator("#bulk button[value=hold]").click()
    page.locator("#dialog [name=reason]").fill("a look at it")
    page.locator("#dialog button.primary, #dialog button.danger-fill").first.click()
    expect(row).to_have_attribute("data-state", "paused")
    page.goto(f"{dashboard.url}/?state=pausing")
    expect(row.locator(".c-state")).to_have_text("Pausing")
    expect(page.locator('#rail [data-count="state:pausing"] .n')).to_have_text("1")
    expect(page.locator('#rail [data-count="state:paused"] .n')).to_have_text("0")
    is_ordered_and_obeyed(session, agent, holder.username)
    page.goto(f"{dashboard.url}/?state=paused")
    expect(row.locator(".c-state")).to_have_text("Paused")


def test_the_new_verb_works_in_the_administration(
    holder: User, session: AgentSession, agent: Agent, page: Page, dashboard: LiveDashboard
) -> None:
    page.goto(f"{dashboard.url}/admin/sessions_app/agentsession/{session.session_id}/change/")
    page.locator("[name=verb]").select_option(HOLD)
    page.locator("[name=reason]").fill("a look at it")
    page.locator("[name=_save]").click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    is_ordered_and_obeyed(session, agent, holder.username)


def post(dashboard: LiveDashboard, session: AgentSession, user: User, reason: str) -> int:
    request = urllib.request.Request(
        f"{dashboard.url}/api/sessions/{session.session_id}/holds",
        json.dumps({"reason": reason}).encode(),
        {
            "Authorization": f"Bearer {tokens.make(user, reason or 'none')}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_new_verb_works_through_the_api(
    holder: User, session: AgentSession, agent: Agent, dashboard: LiveDashboard
) -> None:
    assert post(dashboard, session, holder, "") == 422
    assert post(dashboard, session, holder, "a look at it") == 200
    is_ordered_and_obeyed(session, agent, holder.username)


def test_a_person_without_its_right_is_neither_offered_nor_allowed_it(
    operator: User, session: AgentSession, page: Page, dashboard: LiveDashboard
) -> None:
    address = f"{dashboard.url}/sessions/{session.session_id}/"
    page.goto(address)
    page.locator("#more summary").click()
    expect(page.locator("#more").get_by_text("Complete", exact=True)).to_be_visible()
    expect(page.locator("#more").get_by_text("Hold", exact=True)).to_have_count(0)
    refused = page.goto(f"{address}holds/")
    assert refused is not None and refused.status == 403
    page.goto(f"{dashboard.url}/?type=grader")
    expect(page.locator("#bulk button[value=pause]")).to_have_count(1)
    expect(page.locator("#bulk button[value=hold]")).to_have_count(0)
    expect(page.locator("#row-menu [data-verb=hold]")).to_have_count(0)
    operator.is_staff = True
    operator.save(update_fields=["is_staff"])
    page.goto(f"{dashboard.url}/admin/sessions_app/agentsession/{session.session_id}/change/")
    expect(page.locator("[name=verb] option[value=pause]")).to_have_count(1)
    expect(page.locator("[name=verb] option[value=hold]")).to_have_count(0)
    assert post(dashboard, session, operator, "a look at it") == 403
    assert row_of(session).state == "active"

"""Text in forms survives ended log-ins, network failures and withdrawn permissions."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.middleware.csrf import _get_new_csrf_string
from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from sessions_app import manager_portal
from sessions_app.drafts.models import FormDraft
from sessions_app.models import AgentSession as Stored
from tests.support.dashboard import LiveDashboard, session_cookie

from .conftest import Open
from .test_list import wait_until_live

Make = Callable[..., AgentSession]
WRITTEN = '{"class": "8a", "note": "eine Stunde lang getippt"}'
SAVED, LOST = "Ihr Entwurf ist gespeichert", "Ihre Eingabe ist noch hier"


def context_of(made: AgentSession) -> Any:
    found = manager_portal.call(lambda manager: manager.read(made.session_id))
    return found and found.context


@pytest.fixture
def made(make_session: Make) -> AgentSession:
    return make_session(context={"class": "7b"})


def write(page: Page) -> None:
    """Fills in the edit form and shows its differences."""
    page.locator("textarea.json").fill(WRITTEN)
    page.locator("textarea[name=reason]").fill("Falsche Klasse")
    page.locator("button[value=preview]").click()
    expect(page.locator("button[value=save]")).to_be_visible()


def expect_written(page: Page) -> None:
    expect(page.locator("textarea.json")).to_have_value(WRITTEN)
    expect(page.locator("textarea[name=reason]")).to_have_value("Falsche Klasse")


def said(page: Page) -> Any:
    return page.locator("[data-draft-said]")


def open_edit(open_page: Open, made: AgentSession) -> Page:
    return open_page(f"/sessions/{made.session_id}/edits/new/")


def save(page: Page, made: AgentSession) -> None:
    page.locator("button[value=save]").click()
    page.wait_for_url(f"**/sessions/{made.session_id}/")
    expect(page.locator(".flash-message")).to_contain_text("Gespeichert")
    assert context_of(made) == {"class": "8a", "note": "eine Stunde lang getippt"}
    assert not FormDraft.objects.exists()


def log_in_again(page: Page, dashboard: LiveDashboard, person: Any) -> None:
    page.context.add_cookies([session_cookie(dashboard.url, person)])  # type: ignore[list-item]


def test_an_edit_survives_a_session_that_expired(
    open_page: Open, made: AgentSession, dashboard: LiveDashboard, operator: Any
) -> None:
    page = open_edit(open_page, made)
    write(page)
    Session.objects.all().delete()
    page.locator("button[value=save]").click()
    expect(said(page)).to_contain_text("Sie sind abgemeldet")
    expect_written(page)
    log_in_again(page, dashboard, operator)
    save(page, made)


def test_an_edit_is_filled_again_on_another_page_after_logging_in(
    open_page: Open, made: AgentSession, dashboard: LiveDashboard, operator: Any
) -> None:
    page = open_edit(open_page, made)
    page.locator("textarea[name=reason]").fill("Falsche Klasse")
    page.locator("textarea.json").fill(WRITTEN)
    expect(said(page)).to_contain_text(SAVED)
    Session.objects.all().delete()
    page.reload()
    page.wait_for_url("**/login/**")
    log_in_again(page, dashboard, operator)
    page.reload()
    expect(page.locator("textarea.json")).to_be_visible()
    expect_written(page)
    expect(page.locator(".compare-body")).to_contain_text(
        "Ihre begonnene Eingabe wurde wiederhergestellt"
    )
    page.locator("button[value=preview]").click()
    save(page, made)


def test_a_draft_is_its_author_s_alone_and_can_be_discarded(
    open_page: Open, made: AgentSession
) -> None:
    page = open_edit(open_page, made)
    page.locator("textarea.json").fill(WRITTEN)
    expect(said(page)).to_contain_text(SAVED)
    page.reload()
    expect(page.locator("textarea.json")).to_have_value(WRITTEN)
    page.locator("button[value=discard]").click()
    expect(page.locator("textarea.json")).not_to_have_value(WRITTEN)
    assert not FormDraft.objects.exists()


def test_an_edit_survives_a_server_that_cannot_be_reached(
    open_page: Open, made: AgentSession
) -> None:
    page = open_edit(open_page, made)
    write(page)
    page.context.set_offline(True)
    page.locator("button[value=save]").click()
    expect(said(page)).to_contain_text(LOST)
    expect_written(page)
    page.context.set_offline(False)
    save(page, made)


def test_an_edit_survives_an_error_of_the_server(open_page: Open, made: AgentSession) -> None:
    page = open_edit(open_page, made)
    write(page)
    page.route("**/edits/new/", lambda route: route.fulfill(status=503, body="<h1>Kurz weg</h1>"))
    page.locator("button[value=save]").click()
    expect(said(page)).to_contain_text("Kurz weg")
    expect_written(page)
    page.unroute("**/edits/new/")
    save(page, made)


def test_an_edit_survives_a_token_that_changed(open_page: Open, made: AgentSession) -> None:
    page = open_edit(open_page, made)
    write(page)
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    fresh = {**cookies["csrftoken"], "value": _get_new_csrf_string()}
    page.context.add_cookies([fresh])  # type: ignore[list-item]
    save(page, made)


def test_an_edit_survives_rights_that_were_withdrawn(
    open_page: Open, made: AgentSession, operator: Any
) -> None:
    page = open_edit(open_page, made)
    write(page)
    groups = list(operator.groups.all())
    operator.groups.clear()
    page.locator("button[value=save]").click()
    expect(said(page)).to_contain_text(LOST)
    expect_written(page)
    assert context_of(made) == {"class": "7b"}
    operator.groups.set(groups)
    save(page, made)


def open_dialog(open_page: Open, made: AgentSession) -> Page:
    page = open_page(f"/sessions/{made.session_id}/")
    expect(page.locator("#connection")).to_have_attribute("data-status", "live")
    page.locator("#session-head a[href*='/pauses/']").first.click()
    page.locator("dialog textarea[name=reason]").fill("Mittagspause")
    expect(said(page)).to_contain_text(SAVED)
    return page


def confirm(page: Page) -> None:
    button = page.locator("dialog form button.primary")
    expect(button).not_to_have_attribute("aria-busy", "true")  # meanwhile a click sends nothing
    button.click()


def is_paused(page: Page, made: AgentSession) -> None:
    expect(page.locator("#session-head")).to_have_attribute("data-state", "paused")
    assert Stored.objects.get(pk=made.session_id).order_reason == "Mittagspause"
    assert not FormDraft.objects.exists()


def test_a_reason_survives_a_session_that_expired(
    open_page: Open, made: AgentSession, dashboard: LiveDashboard, operator: Any
) -> None:
    page = open_dialog(open_page, made)
    Session.objects.all().delete()
    confirm(page)
    expect(said(page)).to_contain_text("Sie sind abgemeldet")
    expect(page.locator("dialog textarea[name=reason]")).to_have_value("Mittagspause")
    log_in_again(page, dashboard, operator)
    confirm(page)
    is_paused(page, made)


def test_a_reason_survives_the_loss_of_all_cookies(
    open_page: Open, made: AgentSession, dashboard: LiveDashboard, operator: Any
) -> None:
    page = open_dialog(open_page, made)
    page.context.clear_cookies()
    for _ in range(2):
        confirm(page)
        expect(said(page)).to_contain_text("Melden Sie sich in einem anderen Tab an")
    log_in_again(page, dashboard, operator)
    confirm(page)
    is_paused(page, made)


def test_a_reason_survives_the_network_and_a_page_that_was_closed(
    open_page: Open, made: AgentSession
) -> None:
    page = open_dialog(open_page, made)
    page.context.set_offline(True)
    confirm(page)
    expect(said(page)).to_contain_text(LOST)
    page.context.set_offline(False)
    page.reload()
    page.locator("#session-head a[href*='/pauses/']").first.click()
    expect(page.locator("dialog textarea[name=reason]")).to_have_value("Mittagspause")
    confirm(page)
    is_paused(page, made)


def test_a_page_that_loses_its_log_in_does_not_leave_while_somebody_writes(
    open_page: Open, made: AgentSession
) -> None:
    page = open_dialog(open_page, made)
    Session.objects.all().delete()
    page.evaluate("dispatchEvent(new Event('pagehide')); dispatchEvent(new Event('online'))")
    expect(said(page)).to_contain_text("Sie sind abgemeldet")
    expect(page.locator("dialog textarea[name=reason]")).to_have_value("Mittagspause")


def open_bulk(open_page: Open, made: AgentSession) -> Page:
    page = open_page("/")
    page.locator("#rows input").first.click()
    page.locator("#bulk button[value=pause]").click()
    page.locator("dialog textarea[name=reason]").fill("Mittagspause")
    expect(said(page)).to_contain_text(SAVED)
    return page


def test_a_bulk_reason_survives_a_session_that_expired_and_a_page_that_was_closed(
    open_page: Open, made: AgentSession, dashboard: LiveDashboard, operator: Any
) -> None:
    page = open_bulk(open_page, made)
    Session.objects.all().delete()
    confirm(page)
    expect(said(page)).to_contain_text("Sie sind abgemeldet")
    expect(page.locator("dialog textarea[name=reason]")).to_have_value("Mittagspause")
    log_in_again(page, dashboard, operator)
    page.reload()
    page.locator("#rows input").first.click()
    page.locator("#bulk button[value=pause]").click()
    expect(page.locator("dialog textarea[name=reason]")).to_have_value("Mittagspause")
    expect(said(page)).to_contain_text("Ihre begonnene Eingabe wurde wiederhergestellt")
    confirm(page)
    expect(page.locator("dialog [data-job]")).to_be_visible()
    assert not FormDraft.objects.exists()


def open_view(open_page: Open) -> Page:
    page = open_page("/?type=grader")
    page.locator(".viewbar summary").first.click()
    page.locator(".viewbar input[name=name]").fill("Korrekturen der 8a")
    return page


def test_the_name_of_a_view_survives_the_network(open_page: Open, made: AgentSession) -> None:
    page = open_view(open_page)
    page.context.set_offline(True)
    page.locator(".view-form button.primary").click()
    expect(said(page)).to_contain_text(LOST)
    expect(page.locator(".viewbar input[name=name]")).to_have_value("Korrekturen der 8a")
    page.context.set_offline(False)
    wait_until_live(page)
    page.locator(".view-form button.primary").click()
    expect(page.locator(".viewbar strong")).to_have_text("Korrekturen der 8a")
    assert not FormDraft.objects.exists()


def test_the_name_of_a_view_survives_a_session_that_expired(
    open_page: Open, made: AgentSession, dashboard: LiveDashboard, operator: Any
) -> None:
    page = open_view(open_page)
    Session.objects.all().delete()
    page.locator(".view-form button.primary").click()
    expect(said(page)).to_contain_text("Sie sind abgemeldet")
    log_in_again(page, dashboard, operator)
    page.locator(".view-form button.primary").click()
    expect(page.locator(".viewbar strong")).to_have_text("Korrekturen der 8a")


def test_what_one_person_wrote_is_not_sent_for_another_who_logs_in_in_the_same_browser(
    open_page: Open, made: AgentSession, dashboard: LiveDashboard, operator: Any, viewer: Any
) -> None:
    page = open_dialog(open_page, made)
    viewer.groups.set(operator.groups.all())
    log_in_again(page, dashboard, viewer)
    confirm(page)
    expect(said(page)).to_contain_text("Inzwischen ist jemand anderes angemeldet")
    page.locator("dialog textarea[name=reason]").press_sequentially(" und Hofpause")
    expect(said(page)).to_contain_text("nicht für eine andere Person")
    assert not Stored.objects.get(pk=made.session_id).order_verb
    page.reload()
    page.locator("#session-head a[href*='/pauses/']").first.click()
    expect(page.locator("dialog textarea[name=reason]")).to_have_value("")
    log_in_again(page, dashboard, operator)
    page.reload()
    page.locator("#session-head a[href*='/pauses/']").first.click()
    written = page.locator("dialog textarea[name=reason]")
    expect(written).to_have_value("Mittagspause und Hofpause")


ADMIN = "/admin/sessions_app/agentsession/"


@pytest.fixture
def fresh(start_dashboard: Callable[..., LiveDashboard]) -> LiveDashboard:
    """A newly started server: a running one caches ids of content types, which emptied tables assign again."""
    return start_dashboard()


def open_admin(open_page: Open, fresh: LiveDashboard, person: Any, path: str = ADMIN) -> Page:
    page = open_page("/")
    log_in_again(page, fresh, person)
    page.goto(f"{fresh.url}{path}")
    return page


def test_the_admin_s_form_of_a_session_survives_network_and_log_in(
    open_page: Open, made: AgentSession, fresh: LiveDashboard, operator: Any
) -> None:
    page = open_admin(open_page, fresh, operator, f"{ADMIN}{made.session_id}/change/")
    page.locator("[name=context]").fill(WRITTEN)
    page.locator("[name=reason]").fill("Falsche Klasse")
    expect(said(page)).to_contain_text(SAVED)
    page.context.set_offline(True)
    page.locator("[name=_save]").click()
    expect(said(page)).to_contain_text(LOST)
    page.context.set_offline(False)
    Session.objects.all().delete()
    page.locator("[name=_save]").click()
    expect(said(page)).to_contain_text("Sie sind abgemeldet")
    expect(page.locator("[name=context]")).to_have_value(WRITTEN)
    log_in_again(page, fresh, operator)
    page.reload()
    expect(page.locator("[name=context]")).to_have_value(WRITTEN)
    expect(page.locator("[name=reason]")).to_have_value("Falsche Klasse")
    page.locator("[name=_save]").click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert context_of(made) == {"class": "8a", "note": "eine Stunde lang getippt"}
    assert not FormDraft.objects.exists()


def test_the_admin_s_orders_survive_network_and_log_in(
    open_page: Open, made: AgentSession, fresh: LiveDashboard, operator: Any
) -> None:
    page = open_admin(open_page, fresh, operator)
    page.locator("[name=action]").select_option("pause_sessions")
    page.locator(".actions [name=reason]").fill("Mittagspause")
    page.locator(".action-select").first.check()
    page.context.set_offline(True)
    page.locator(".actions button").click()
    expect(said(page)).to_contain_text(LOST)
    page.context.set_offline(False)
    Session.objects.all().delete()
    page.locator(".actions button").click()
    expect(said(page)).to_contain_text("Sie sind abgemeldet")
    log_in_again(page, fresh, operator)
    page.locator(".actions button").click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert Stored.objects.get(pk=made.session_id).order_reason == "Mittagspause"
    assert not FormDraft.objects.exists()

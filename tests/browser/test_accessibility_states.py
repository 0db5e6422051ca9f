"""axe finds nothing in states that are reached by actions, in both themes.

Languages change texts and widths the layout; axe finds few problems that depend on both, so each is
tried once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from sessions_app import actions, presence
from sessions_app.models import ApiToken
from sessions_app.saved_views.models import SavedView
from tests.app.pages.test_session_panels import talk

from .test_accessibility import COLOURS, EVERYTHING, Walk, errors_and_login, one_of_each
from .test_bulk import many
from .test_list import psql, wait_until_live
from .test_time import drawn

Make = Callable[..., AgentSession]
Open = Callable[..., Page]
Start = Callable[[str], Walk]

PHONE = 360
everywhere = pytest.mark.parametrize(("language", "width"), [("de", 1440), ("en", PHONE)])


@pytest.fixture
def start(open_page: Open, language: str, width: int) -> Start:
    def start(path: str) -> Walk:
        height = 780 if width == PHONE else 900
        page = open_page(path, locale=language, width=width, height=height, reduced_motion="reduce")
        return Walk(page)

    return start


@everywhere
def test_a_session_with_its_conversation_its_past_and_its_dialog(
    start: Start, make_session: Make
) -> None:
    full = one_of_each(make_session)
    talk(full.session_id, *[(f"Frage {n}", "Antwort " * 12) for n in range(5)])
    presence.here(full.session_id, "viktoria", "pauses")  # type: ignore[arg-type]
    at = f"/sessions/{full.session_id}/"
    walk = start(at)
    page = walk.page
    wait_until_live(page)
    drawn(page)
    walk.look("conversation")
    for part in ("#outline", "#results-2", "#rhythm", ".flag details", ".event-more"):
        page.locator(f"{part} > summary").first.click()
    walk.look("unfolded")
    page.locator("#find").fill("b")
    expect(page.locator("#found a").first).to_be_visible()
    page.locator("#tree-context [data-path]").first.focus()
    walk.look("found, and the tools of a line")
    page.locator("#checkpoints a[data-dialog]").first.click()
    expect(page.locator("dialog[open]")).to_be_visible()
    walk.look("rollback dialog", "dialog[open]")
    page.keyboard.press("Escape")
    page.get_by_role("slider").focus()
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#past-bar")).to_be_visible()
    walk.look("the past")
    walk.is_clean()


@everywhere
def test_comparing_editing_and_single_branches(start: Start, make_session: Make) -> None:
    made = make_session(context={"class": "7b", "deep": {"a": [1, 2]}}, checkpoints=("a", "b"))
    at = f"/sessions/{made.session_id}/"
    walk = start(f"{at}compare/?a=2&b=3")
    walk.look("comparison")
    walk.at(f"{at}compare/?a=3&b=now", "nothing changed", live=False)
    walk.at(f"{at}context/?find=7b", "search as a page", live=False)
    walk.at(f"{at}context/", "the context as a page", live=False)
    walk.at(f"{at}rollbacks/new/?checkpoint=2", "rollback as a page", live=False)
    walk.at(f"{at}edits/new/", "edit", live=False)
    page = walk.page
    page.locator("textarea.json").fill('{"class": "8a"}')
    page.locator("button[value=preview]").click()
    expect(page.locator(".changes")).to_be_visible()
    walk.look("edit with its difference")
    actions.perform("edit", made.session_id, actor="v", reason="r", context={"class": "9c"})
    page.locator("[name=reason]").fill("another class")
    page.locator("button[value=save]").click()
    expect(page.locator("[role=alert]")).to_be_visible()
    walk.look("edit in conflict")
    page.locator("textarea.json").fill("{")
    page.locator("button[value=preview]").click()
    expect(page.locator("[role=alert]:visible")).to_have_count(2)
    walk.look("no JSON, after the conflict")
    walk.is_clean()


@everywhere
def test_states_of_a_session(start: Start, make_session: Make) -> None:
    ended = {}
    for verb in ("fail", "delete", "complete"):
        made = ended[verb] = make_session(checkpoints=("begun",))
        actions.perform(verb, made.session_id, actor="olga", reason="Probe")
    silent, stuck = make_session(silent=4000), make_session("examiner", stuck=4000)
    psql("UPDATE agent_sessions SET refused_writes = 2 WHERE id = %s", stuck.session_id)
    walk = start("/conversations/")
    walk.look("no conversation")
    for what, made in {**ended, "silent": silent, "stuck": stuck}.items():
        walk.at(f"/sessions/{made.session_id}/", what)
    talk(silent.session_id, ("Und in Enschede?", "7 Museen"))
    talk("klasse-7b", ("Und in Hengelo?", "12 Museen"))
    walk.at("/conversations/", "conversations", live=False)
    walk.is_clean()


@everywhere
def test_the_list_its_menus_and_its_sheets(start: Start, make_session: Make, operator: Any) -> None:
    one_of_each(make_session)
    view = SavedView.objects.create(owner=operator, name="Tutoren", query="type=tutor", shared=True)
    walk = start("/")
    page = walk.page
    wait_until_live(page)
    walk.look("list")
    many(2)
    expect(page.locator("#newcomers")).to_be_visible()
    page.keyboard.press("p")
    walk.look("held, with newcomers")
    page.keyboard.press("?")
    walk.look("help", "dialog[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("a")
    walk.look("palette", "#palette")
    page.keyboard.press("Escape")
    walk.at(f"/?view={view.pk}&type=tutor&state=late", "a changed view")
    for n, menu in enumerate(page.locator("#main details.menu:visible > summary").all()):
        menu.click()
        walk.look(f"menu {n}", "#main details.menu[open]")
        page.keyboard.press("Escape")
    walk.at("/?state=deleted", "trash")
    walk.at("/?q=agnt:grader", "search error")
    walk.at("/?q=user:nobody-is-called-so", "nothing matches")
    walk.at(f"/wall/{view.pk}/", "wall of a view")
    walk.at("/wall/", "wall")
    walk.is_clean()


@everywhere
def test_bulk_orders(start: Start, make_session: Make) -> None:
    for _ in range(3):
        make_session()
    ended = make_session()
    actions.perform("complete", ended.session_id, actor="olga")
    walk = start("/bulk/")
    page = walk.page
    walk.look("no order yet")
    walk.at("/", "list")
    for tick in page.locator("#rows input").all():
        tick.check()
    walk.look("everything ticked")
    page.locator("#bulk button[value=pause]").click()
    expect(page.locator("dialog[open]")).to_be_visible()
    walk.look("dry run", "dialog[open]")
    page.locator("dialog button.primary").click()
    expect(page.locator("dialog [data-job]")).to_have_attribute("data-state", "done")
    walk.look("ended, in the dialog", "dialog[open]")
    job = page.locator("dialog [data-job]").get_attribute("data-href")
    walk.at(str(job), "each session", live=False)
    walk.at("/bulk/", "orders", live=False)
    walk.is_clean()


@pytest.mark.parametrize(("language", "width"), [("en", PHONE)])
def test_login_and_errors(start: Start, make_session: Make, language: str) -> None:
    walk = start("/sessions/00000000-0000-4000-8000-000000000000/")
    walk.look("a session that does not exist")
    errors_and_login(walk, language)


def test_who_may_only_look(open_page: Open, make_session: Make, viewer: Any) -> None:
    """With contents on the wide screen, without them on the phone."""
    made = make_session(checkpoints=("begun",))
    for width in (1440, PHONE):
        walk = Walk(open_page("/", as_viewer=True, width=width, reduced_motion="reduce"))
        wait_until_live(walk.page)
        walk.look("list")
        if width == PHONE:
            viewer.user_permissions.clear()
        walk.at(f"/sessions/{made.session_id}/", "session")
        walk.at(f"/sessions/{made.session_id}/edits/new/", "forbidden", live=False)
        walk.is_clean()


@pytest.mark.parametrize("width", [1440, PHONE])
def test_api_tokens_in_the_administration(
    open_page: Open, operator: Any, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for options in (EVERYTHING, COLOURS):  # axe would copy Django's stylesheets into the page
        monkeypatch.setitem(options, "preload", False)
    operator.is_staff = operator.is_superuser = True
    operator.save()
    token = ApiToken.objects.create(user=operator, name="Monitor", digest="0" * 64)
    walk = Walk(open_page("/admin/sessions_app/apitoken/", width=width, reduced_motion="reduce"))
    walk.look("tokens", "#content")
    walk.at("/admin/sessions_app/apitoken/add/", "a new token", live=False)
    walk.at(f"/admin/sessions_app/apitoken/{token.pk}/change/", "a token", live=False)
    walk.is_clean()

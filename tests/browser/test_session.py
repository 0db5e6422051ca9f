"""The session page in a browser: live, foldable, and safe to act on."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from sessions_app import actions, manager_portal

from .test_list import wait_until_live

Make = Callable[..., AgentSession]
Open = Callable[..., Page]


def opened(open_page: Open, made: AgentSession, **options: Any) -> Page:
    page = open_page(f"/sessions/{made.session_id}/", **options)
    wait_until_live(page)
    return page


def checkpoint(made: AgentSession, name: str, **context: Any) -> None:
    async def store(manager: Any) -> None:
        session = await manager.get_session(made.session_id)
        session.context.update(context)
        session.checkpoint(name, {})
        await manager.update_session(session)

    manager_portal.call(store)


def acknowledge(made: AgentSession) -> None:
    async def obey(manager: Any) -> None:
        session = await manager.read(made.session_id)
        await manager.acknowledge(made.session_id, session.order_version)

    manager_portal.call(obey)


def confirm(page: Page, reason: str = "") -> None:
    dialog = page.locator("dialog#dialog")
    expect(dialog.locator("[data-cancel]")).to_be_focused()
    if reason:
        dialog.locator("textarea").fill(reason)
    dialog.locator(".dialog-actions button").click()
    expect(dialog).to_be_hidden()


def test_what_the_agent_does_shows_without_reload_and_folds_stay(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(context={"deep": {"a": {"inner": 1}}}, checkpoints=("first",))
    page = opened(open_page, made)
    page.locator("#tree-context summary", has_text="a").last.click()
    expect(page.locator("#tree-context")).to_contain_text("inner")
    checkpoint(made, "second_step", fresh="seen live")
    expect(page.locator("#checkpoints")).to_contain_text("second_step")
    expect(page.locator("#tree-context")).to_contain_text("seen live")
    expect(page.locator("#tree-context .key", has_text="inner")).to_be_visible()


def test_pausing_is_shown_as_asked_until_the_agent_has_confirmed(
    open_page: Open, make_session: Make
) -> None:
    made = make_session()
    page = opened(open_page, made)
    page.evaluate("window.sameDocument = true")
    page.locator(".head-actions .primary").click()
    confirm(page, "Rubrik prüfen")
    head = page.locator("#session-head")
    expect(head).to_contain_text("Wird pausiert")
    expect(page.locator("#order")).to_contain_text("noch nicht bestätigt")
    expect(page.locator("#banner-paused")).to_contain_text("Rubrik prüfen")
    acknowledge(made)
    expect(head).to_contain_text("Pausiert")
    expect(page.locator("#banner-paused")).to_contain_text("Vom Agenten bestätigt")
    expect(page.locator(".head-actions .primary")).to_contain_text("Fortsetzen")
    assert page.evaluate("window.sameDocument")


def test_rolling_back_shows_first_what_it_does(open_page: Open, make_session: Make) -> None:
    made = make_session(context={"keep": 1}, checkpoints=("first", "second"))
    page = opened(open_page, made)
    page.locator("#checkpoint-2 a[data-dialog]").click()
    dialog = page.locator("dialog#dialog")
    expect(dialog).to_contain_text("Die Sitzung wird auf Zwischenstand 2 zurückgesetzt")
    expect(dialog.locator(".changes")).to_contain_text("step")
    expect(dialog).to_contain_text("1 Zwischenstand liegt danach")
    dialog.locator(".dialog-actions button").click()
    expect(dialog).to_be_visible()  # the reason is missing
    dialog.locator("textarea").fill("Falsche Rubrik")
    dialog.locator(".dialog-actions button").click()
    expect(page.locator("#banner-rolled-back")).to_contain_text("Falsche Rubrik")
    expect(page.locator("#checkpoints")).to_contain_text("Nach dem Zurücksetzen")


def test_a_conflict_is_said_in_the_dialog_and_nothing_is_done(
    open_page: Open, make_session: Make
) -> None:
    made = make_session()
    page = opened(open_page, made)
    page.locator(".head-actions .primary").click()
    dialog = page.locator("dialog#dialog")
    expect(dialog).to_be_visible()
    actions.perform("fail", made.session_id, actor="viktoria", reason="Schleife")
    dialog.locator(".dialog-actions button").click()
    expect(dialog).to_contain_text("Inzwischen geändert von viktoria")
    expect(dialog).to_contain_text("Schleife")
    expect(dialog.locator(".dialog-actions button")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.locator("#session-head")).to_contain_text("Fehlgeschlagen")


def test_a_dialog_is_left_by_escape_and_nothing_happens(
    open_page: Open, make_session: Make
) -> None:
    made = make_session()
    page = opened(open_page, made)
    page.locator(".head-actions .primary").click()
    expect(page.locator("dialog#dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog#dialog")).to_be_hidden()
    expect(page.locator("#session-head")).to_contain_text("Aktiv")


def test_the_rest_stands_under_more_and_says_why_not(open_page: Open, make_session: Make) -> None:
    made = make_session()
    actions.perform("complete", made.session_id, actor="x")
    page = opened(open_page, made)
    page.locator("#more summary").click()
    item = page.locator("#more [aria-disabled=true]").first
    expect(item).to_contain_text("Setzen Sie sie zurück, um sie fortzusetzen")
    page.locator("#more a", has_text="Löschen").click()
    confirm(page, "Testlauf")
    expect(page.locator("#banner-deleted")).to_be_visible()


def test_branches_of_a_large_context_are_fetched_when_opened(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(context={f"k{i:03}": {"text": f"value {i}"} for i in range(250)})
    page = opened(open_page, made)
    page.locator("#tree-context [data-lazy-rest]").click()
    expect(page.locator("#tree-context")).to_contain_text("k150")
    branch = page.locator("#tree-context details", has_text="k150")
    branch.locator("summary").click()
    expect(branch).to_contain_text("value 150")


def test_what_was_fetched_of_a_large_context_stays_when_the_session_goes_on(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(context={f"k{i:03}": {"text": f"value {i}"} for i in range(350)})
    page = opened(open_page, made)
    tree = page.locator("#tree-context")
    for last in ("k199", "k299"):
        tree.locator("[data-lazy-rest]").click()
        expect(tree).to_contain_text(last)
    checkpoint(made, "only_a_checkpoint")
    expect(page.locator("#checkpoints")).to_contain_text("only_a_checkpoint")
    expect(tree).to_contain_text("k299")
    tree.evaluate("""tree => new MutationObserver(() => {
        window.shortest = Math.min(window.shortest ?? Infinity, tree.querySelectorAll("li").length);
    }).observe(tree, {childList: true, subtree: true})""")
    checkpoint(made, "another_context", k250={"text": "rewritten"}, k301={"text": "further"})
    expect(page.locator("#checkpoints")).to_contain_text("another_context")
    expect(tree).to_contain_text("k299")
    branch = tree.locator("details", has_text="k250")
    branch.locator("summary").click()
    expect(branch).to_contain_text("rewritten")
    assert page.evaluate("window.shortest") > 300
    expect(tree.locator("[data-lazy-rest]")).to_have_count(1)


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        ({"status": 404, "body": ""}, "Diesen Teil gibt es nicht mehr."),
        (None, "Der Server ist nicht erreichbar. Bitte prüfen Sie Ihre Verbindung."),
    ],
)
def test_what_cannot_be_fetched_of_a_large_context_says_why_and_can_be_tried_again(
    open_page: Open, make_session: Make, outcome: dict[str, Any] | None, says: str
) -> None:
    made = make_session(context={f"k{i:03}": {"text": f"value {i}"} for i in range(250)})
    page = opened(open_page, made)
    tree = page.locator("#tree-context")
    fetched = re.compile(r"/context/.*start=")
    page.route(fetched, lambda route: route.fulfill(**outcome) if outcome else route.abort())
    tree.locator("[data-lazy-rest]").click()
    expect(page.locator(".toast.error")).to_contain_text(says)
    page.unroute(fetched)
    tree.locator("[data-lazy-rest]").click()
    expect(tree).to_contain_text("k150")


def test_a_viewer_sees_everything_and_can_do_nothing(open_page: Open, make_session: Make) -> None:
    made = make_session(checkpoints=("first",))
    page = opened(open_page, made, as_viewer=True)
    expect(page.locator("#checkpoints")).to_contain_text("first")
    expect(page.locator("[data-dialog]")).to_have_count(0)


def test_without_scripting_an_order_is_a_plain_page(open_page: Open, make_session: Make) -> None:
    made = make_session(checkpoints=("first",))
    page = open_page(f"/sessions/{made.session_id}/", java_script_enabled=False)
    page.locator("#checkpoint-2 a[data-dialog]").click()
    page.locator("textarea").fill("Zurück")
    page.locator(".dialog-actions button").click()
    expect(page.locator("#banner-rolled-back")).to_contain_text("Zurück")

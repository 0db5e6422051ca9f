"""Panels of a session in a browser: search, conversation, comparison, editing, presence."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from sessions_app import actions, presence
from tests.app.pages.test_session_panels import talk

from .test_session import checkpoint, confirm, opened

Make = Callable[..., AgentSession]
Open = Callable[..., Page]


def test_the_context_is_searched_while_typing_even_at_a_megabyte(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(context={**{f"key{i}": "x" * 100 for i in range(9_000)}, "needle": "Nadel"})
    page = opened(open_page, made)
    page.locator("#find").fill("nadel")
    expect(page.locator("#found")).to_contain_text("1 Stelle")
    expect(page.locator("#found a")).to_have_text("needle")


def test_a_conversation_is_live_and_sticks_to_its_end(open_page: Open, make_session: Make) -> None:
    made = make_session("tutor")
    talk(made.session_id, *[(f"Frage {n}", "Antwort " * 30) for n in range(20)])
    page = opened(open_page, made)
    turns = page.locator("#turns")
    expect(turns.locator(".turn")).to_have_count(40)
    assert turns.evaluate("e => e.scrollHeight - e.scrollTop - e.clientHeight") < 5
    talk(made.session_id, ("Und in Enschede?", "7 Museen"))
    checkpoint(made, "turn_answered")
    expect(turns.locator(".turn").last).to_contain_text("7 Museen")
    assert turns.evaluate("e => e.scrollHeight - e.scrollTop - e.clientHeight") < 5
    turns.evaluate("e => { e.scrollTop = 0 }")
    talk(made.session_id, ("Und in Hengelo?", "12 Museen"))
    checkpoint(made, "turn_answered")
    expect(turns.locator(".turn").last).to_contain_text("12 Museen")
    assert turns.evaluate("e => e.scrollTop") < 5


def test_checkpoints_are_filtered_by_name_and_compared(open_page: Open, make_session: Make) -> None:
    made = make_session(checkpoints=("read", "marked", "marked", "sent", "marked", "read"))
    page = opened(open_page, made)
    page.locator("#flag-filter").fill("mark")
    expect(page.locator(".flag:visible")).to_have_count(3)
    page.locator("#checkpoint-3 .flag-facts a").click()
    expect(page.locator(".changes")).to_contain_text("step")
    page.locator("select[name=b]").select_option("4")
    page.locator(".compare-form button").click()
    expect(page.locator(".changes ins")).to_have_text("3")


def test_a_rollback_is_taken_back(open_page: Open, make_session: Make) -> None:
    made = make_session(checkpoints=("first", "second"))
    page = opened(open_page, made)
    page.locator("#checkpoint-2 a[data-dialog]").click()
    confirm(page, "Falsche Rubrik")
    step = page.locator("#tree-context .leaf", has_text="step")
    expect(step).to_contain_text("1")
    page.locator("#banner-rolled-back a[data-dialog]").click()
    confirm(page, "Doch nicht")
    expect(step).to_contain_text("2")


def test_the_context_is_edited_by_hand(open_page: Open, make_session: Make) -> None:
    made = make_session(context={"class": "7b"})
    page = opened(open_page, made)
    page.locator("#context .tools a", has_text="Bearbeiten").click()
    page.locator("textarea.json").fill('{"class": "8a"}')
    page.locator("button[value=preview]").click()
    expect(page.locator(".changes ins")).to_have_text('"8a"')
    page.locator("textarea[name=reason]").fill("Falsche Klasse")
    page.locator("button[value=save]").click()
    expect(page.locator("#tree-context")).to_contain_text("8a")


def test_lines_of_the_context_are_reached_and_copied_by_keys(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(context={"deep": {"inner": "Wert"}})
    page = opened(open_page, made)
    page.locator("#tree-context summary").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#tree-context .leaf").first).to_be_focused()
    page.keyboard.press("c")
    expect(page.locator(".toast").first).to_contain_text("Kopiert")


def test_others_are_shown_with_what_they_are_about_to_do(
    open_page: Open, make_session: Make
) -> None:
    made = make_session()
    presence.here(made.session_id, "viktoria", "pauses")  # type: ignore[arg-type]
    page = opened(open_page, made)
    expect(page.locator("#presence .avatar")).to_have_attribute(
        "title", "\u2068viktoria\u2069 bereitet gerade vor: Pausieren"
    )


def test_a_link_to_an_old_entry_opens_the_page_that_has_it(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(checkpoints=tuple(f"s{n}" for n in range(110)))
    page = open_page(f"/sessions/{made.session_id}/#v3")
    expect(page.locator("#v3")).to_be_visible()


def test_the_list_of_conversations_is_renewed(open_page: Open) -> None:
    page = open_page("/conversations/")
    expect(page.locator("#conversations")).to_contain_text("Keine laufenden Gespräche")
    talk("somebody", ("Und in Enschede?", "7 Museen"))
    expect(page.locator("#conversations")).to_contain_text("Und in Enschede?")


def test_two_administrators_do_not_overwrite_each_other(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(context={"class": "7b"})
    page = open_page(f"/sessions/{made.session_id}/edits/new/")
    actions.perform("edit", made.session_id, actor="v", reason="r", context={"class": "9c"})
    page.locator("textarea.json").fill('{"class": "8a"}')
    page.locator("button[value=preview]").click()
    expect(page.locator("[role=alert]")).to_contain_text("Inzwischen geändert")
    expect(page.locator(".changes del")).to_have_text('"9c"')

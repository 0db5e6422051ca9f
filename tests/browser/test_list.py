"""The list in a browser: cells change in place, rows never move, orders show at once."""

from collections.abc import Callable

import psycopg
import pytest
from django.conf import settings
from django.utils import translation
from playwright.sync_api import Locator, Page, expect

from agent_sessions import AgentSession
from sessions_app import actions
from sessions_app.rendering import time_format

# No agent is attached, so nothing is confirmed.
ORDERED = "Aufträge erteilt, aber noch nicht überall bestätigt."

Make = Callable[..., AgentSession]
Open = Callable[..., Page]


def row(page: Page, session: AgentSession) -> Locator:
    return page.locator(f"#row-{session.session_id}")


def wait_until_live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_attribute("data-status", "live")


def psql(statement: str, *values: object) -> None:
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as connection:
        connection.execute(statement, values)


def order_of(page: Page) -> list[str]:
    ids: list[str] = page.locator("#rows > tr").evaluate_all("rows => rows.map(r => r.dataset.id)")
    return ids


def test_a_change_in_psql_shows_without_reload_in_under_a_second(
    open_page: Open, make_session: Make
) -> None:
    made = make_session()
    page = open_page("/")
    wait_until_live(page)
    page.evaluate("window.sameDocument = true")
    row(page, made).hover()
    psql("UPDATE agent_sessions SET state = 'completed' WHERE id = %s", made.session_id)
    expect(row(page, made)).to_contain_text("Abgeschlossen")
    assert page.evaluate("window.sameDocument")


def numbers(one: Locator) -> list[int]:
    names = ("data-version", "data-heartbeat", "data-progress")
    return [int(one.get_attribute(name) or 0) for name in names]


def test_a_change_that_the_row_does_not_show_leaves_it_standing_and_renews_its_times(
    open_page: Open, make_session: Make
) -> None:
    made = make_session(silent=10)  # a later heartbeat than now would be stored as now
    page = open_page("/")
    wait_until_live(page)
    change = "UPDATE agent_sessions SET context = context || %s, {} WHERE id = %s"
    psql(change.format("user_id = 'lehrer-1'"), '{"n": 1}', made.session_id)
    expect(row(page, made)).to_contain_text("lehrer-1")
    row(page, made).locator(".c-user").evaluate("cell => { cell.dataset.mine = 'same'; }")
    version, beat, progress = numbers(row(page, made))
    times = "last_heartbeat = last_heartbeat + interval '1 s'"
    psql(change.format(times), '{"n": 2}', made.session_id)
    expect(row(page, made)).to_have_attribute("data-version", str(version + 1))
    expect(row(page, made).locator(".c-user")).to_have_attribute("data-mine", "same")
    _, beat_now, progress_now = numbers(row(page, made))
    assert beat_now == beat + 1000
    assert progress_now > progress
    shown = (
        row(page, made).locator(".c-progress time").evaluate("time => Date.parse(time.dateTime)")
    )
    assert shown == progress_now


def test_what_came_while_held_is_put_together_when_it_goes_on(
    open_page: Open, make_session: Make
) -> None:
    made, other = make_session(), make_session()
    page = open_page("/")
    wait_until_live(page)
    before = int(row(page, made).get_attribute("data-version") or 0)
    page.locator("#hold").click()
    change = "UPDATE agent_sessions SET user_id = %s, context = context || %s WHERE id = %s"
    psql(change, "lehrer-1", "{}", made.session_id)
    expect(page.locator("#waiting")).to_have_text("1 Änderung wartet")
    psql(change, "lehrer-1", '{"n": 2}', made.session_id)
    psql(change, "lehrer-1", "{}", other.session_id)
    expect(page.locator("#waiting")).to_have_text("2 Änderungen warten")
    expect(row(page, made)).not_to_contain_text("lehrer-1")
    page.locator("#hold").click()
    expect(row(page, made)).to_contain_text("lehrer-1")
    expect(row(page, made)).to_have_attribute("data-version", str(before + 2))


def test_newcomers_wait_as_a_pill_and_no_row_moves_until_the_reader_asks(
    open_page: Open, make_session: Make
) -> None:
    first = make_session()
    page = open_page("/")
    wait_until_live(page)
    newcomer = make_session()
    expect(page.locator("#newcomers")).to_have_text("1 neue Sitzung")
    assert order_of(page) == [first.session_id]
    page.locator("#newcomers").click()
    expect(row(page, newcomer)).to_be_visible()
    assert order_of(page) == [newcomer.session_id, first.session_id]
    expect(page.locator("#newcomers")).to_be_hidden()
    actions.perform("pause", newcomer.session_id, actor="olga")
    expect(row(page, newcomer)).to_contain_text("Wird pausiert")


def test_a_row_that_left_the_filter_stays_dimmed_until_refresh(
    open_page: Open, make_session: Make
) -> None:
    made, other = make_session(), make_session()
    page = open_page("/?state=active")
    wait_until_live(page)
    actions.perform("complete", made.session_id, actor="x")
    expect(row(page, made)).to_have_class("row left")
    assert len(order_of(page)) == 2
    page.keyboard.press("r")
    expect(row(page, made)).to_have_count(0)
    expect(row(page, other)).to_be_visible()


def test_live_can_be_held_and_counts_what_waits(open_page: Open, make_session: Make) -> None:
    made = make_session()
    page = open_page("/")
    wait_until_live(page)
    page.keyboard.press("p")
    expect(page.locator("#connection")).to_have_text("Eingefroren")
    actions.perform("pause", made.session_id, actor="x")
    expect(page.locator("#waiting")).to_have_text("1 Änderung wartet")
    expect(row(page, made)).to_contain_text("Aktiv")
    page.keyboard.press("p")
    expect(row(page, made)).to_contain_text("Wird pausiert")
    expect(page.locator("#waiting")).to_be_hidden()


def test_counts_in_the_rail_are_live(open_page: Open, make_session: Make) -> None:
    make_session("tutor")
    page = open_page("/")
    wait_until_live(page)
    count = page.locator('[data-count="type:tutor"] .n')
    expect(count).to_have_text("1")
    make_session("tutor")
    expect(count).to_have_text("2")


def test_silence_is_shown_by_the_clock_alone(open_page: Open, make_session: Make) -> None:
    made = make_session()
    psql(
        "UPDATE agent_sessions SET last_heartbeat = now() - interval '27 s' WHERE id = %s",
        made.session_id,
    )
    page = open_page("/")
    expect(row(page, made)).to_have_attribute("data-health", "on_time")
    expect(row(page, made)).to_have_attribute("data-health", "late")
    expect(row(page, made).locator("[data-word=late]")).to_be_visible()


def test_ticks_survive_changes_of_the_row(open_page: Open, make_session: Make) -> None:
    made = make_session()
    page = open_page("/")
    wait_until_live(page)
    row(page, made).locator("input").check()
    actions.perform("pause", made.session_id, actor="x")
    expect(row(page, made)).to_contain_text("Wird pausiert")
    expect(row(page, made).locator("input")).to_be_checked()
    expect(page.locator("#bulk-count")).to_have_text("1 ausgewählt")


def test_bulk_pause_asks_first_and_shows_the_result_without_reload(
    open_page: Open, make_session: Make
) -> None:
    made = [make_session() for _ in range(3)]
    actions.perform("complete", made[0].session_id, actor="x")
    page = open_page("/")
    wait_until_live(page)
    page.evaluate("window.sameDocument = true")
    page.locator("#rows input").first.click()
    page.locator("#rows input").last.click(modifiers=["Shift"])
    page.locator("#bulk button[value=pause]").click()
    dialog = page.locator("dialog#dialog")
    expect(dialog).to_contain_text("Bei 2 Sitzungen wird der Auftrag ausgeführt.")
    expect(dialog.locator("[data-cancel]")).to_be_focused()
    dialog.locator("textarea").fill("Pause für alle")
    dialog.locator("button.primary").click()
    expect(dialog.locator(".job-line")).to_have_text(ORDERED)
    dialog.locator("[data-cancel]").click()
    for session in made[1:]:
        expect(row(page, session)).to_contain_text("Wird pausiert")
    expect(page.locator("#bulk-count")).to_have_text("")
    assert page.evaluate("window.sameDocument")


def test_everything_can_be_reached_by_keys(open_page: Open, make_session: Make) -> None:
    older, newer = make_session(), make_session()
    page = open_page("/")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(row(page, older).locator("input")).to_be_checked()
    page.keyboard.press("Escape")
    expect(row(page, older).locator("input")).not_to_be_checked()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/sessions/{newer.session_id}/")
    page.go_back()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("jkxpr?")
    expect(page.locator("#q")).to_have_value("jkxpr?")


def test_the_row_menu_pauses_one_session(open_page: Open, make_session: Make) -> None:
    made = make_session()
    page = open_page("/")
    row(page, made).locator(".row-more").click()
    menu = page.locator("#row-menu")
    expect(menu.locator("[data-verb=resume]")).to_be_hidden()
    menu.locator("[data-verb=pause]").click()
    page.locator("dialog button.primary").click()
    expect(row(page, made)).to_contain_text("Wird pausiert")


def test_a_viewer_has_nothing_to_tick(open_page: Open, make_session: Make) -> None:
    make_session()
    page = open_page("/", as_viewer=True)
    wait_until_live(page)
    expect(page.locator("#rows input")).to_be_hidden()
    expect(page.locator(".row-more")).to_be_hidden()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#bulk")).to_have_count(0)


def test_without_scripting_it_is_a_plain_list_with_a_refresh_button(
    open_page: Open, make_session: Make
) -> None:
    made = make_session()
    page = open_page("/", java_script_enabled=False)
    expect(row(page, made)).to_contain_text("Aktiv")
    expect(page.locator("#connection")).to_be_hidden()
    row(page, made).locator("input").check()
    page.locator("#bulk button[value=pause]").click()
    page.locator("button.primary").click()
    # the page fetches every three seconds
    expect(page.locator(".job-line")).to_have_text(ORDERED)
    page.goto(page.url.partition("/bulk/")[0])
    expect(row(page, made)).to_contain_text("Wird pausiert")


@pytest.mark.parametrize("language", ["de", "en"])
def test_server_and_browser_say_spans_alike(open_page: Open, language: str) -> None:
    page = open_page("/", locale=language)
    seconds = [-3, 0, 1, 59, 60, 61, 3599, 3600, 3660, 86399, 86400, 90000, 5_000_000]
    with translation.override(language):
        expected = [
            [
                time_format.format_duration(s),
                time_format.format_duration_long(s),
                time_format.format_ago(s),
            ]
            for s in seconds
        ]
    said = page.evaluate(
        """async (seconds) => {
            const {short, long, ago} = await import("/static/js/core/spans.js");
            return seconds.map((s) => [short(s), long(s), ago(s)]);
        }""",
        seconds,
    )
    assert said == expected


@pytest.mark.parametrize("language", ["de", "en"])
def test_nothing_sticks_out_on_a_phone(open_page: Open, make_session: Make, language: str) -> None:
    made = make_session(
        "a-rather-long-agent-type-name-for-a-phone-screen",
        user_id="somebody.with-a-long-name@a-long-school-name.example",
        context={"w" * 80: "x" * 500, "deep": {"a": {"b": {"c": {"d": {"e": "f" * 90}}}}}},
        checkpoints=("a_checkpoint_with_a_rather_long_name_that_goes_on",),
    )
    at = f"/sessions/{made.session_id}/"
    page = open_page("/", width=360, height=740, locale=language)
    base = page.url.rstrip("/")
    for path in ("/", "/?q=agnt:x", at, f"{at}rollbacks/new/?checkpoint=2", f"{at}failures/"):
        page.goto(base + path)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path


def test_the_theme_can_be_chosen_and_is_kept(open_page: Open) -> None:
    page = open_page("/")
    page.locator("summary[aria-label=Darstellung]").click()
    page.locator("button[value=dark]").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_language_can_be_chosen_and_is_kept(open_page: Open) -> None:
    page = open_page("/?state=active")
    page.locator("button[value=en]").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert page.url.endswith("/?state=active")
    expect(page.locator("#rail-state")).to_have_text("State")

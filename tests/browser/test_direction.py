"""Characters that change the writing direction affect only their own text, on every page."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from sessions_app import actions, presence
from sessions_app.bulk.models import BulkJob
from sessions_app.bulk.planning import choose_checkpoint, plan_ticked
from sessions_app.saved_views.models import SavedView
from tests.app.pages.test_session_panels import talk

from .conftest import Open
from .test_widths import DRAWN

Make = Callable[..., AgentSession]
TURN = "\u202e"

# Each such character must be in an isolating element of its own, or follow an isolating character.
LEAKS = """() => {
  const turn = "\\u202e", leaks = [];
  const closed = (text) => [...text.matchAll(turn)].every(({ index }) => {
    const before = text.slice(0, index);
    return before.lastIndexOf("\\u2068") > before.lastIndexOf("\\u2069");
  });
  const FOREIGN = "bdi, q, ins, del, code, pre"; // hold nothing else; an end of isolation would end theirs
  const begun = (text) => text.includes("\\u2069");
  const alone = (text) => /^[\\s\\[{"]*\\u202e/.test(text);
  const isolates = (element) => {
    const style = getComputedStyle(element);
    return style.unicodeBidi !== "normal" && style.unicodeBidi !== "embed" || !style.display.startsWith("inline") && style.display !== "contents";
  };
  const texts = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
  for (let node; (node = texts.nextNode()); ) {
    if (!node.data.includes(turn) || closed(node.data) || node.parentElement.closest("script, textarea, datalist")) continue;
    let element = node.parentElement;
    while (!isolates(element)) element = element.parentElement;
    if (element.matches(FOREIGN) ? begun(node.data) : !alone(element.textContent)) leaks.push(`${element.localName}.${element.className}: ${element.textContent.trim().slice(0, 120)}`);
  }
  for (const element of document.querySelectorAll("*")) {
    for (const name of ["title", "aria-label", "placeholder", "alt"]) {
      const text = element.getAttribute(name);
      if (text && text.includes(turn) && !closed(text)) leaks.push(`${element.localName}[${name}]: ${text.slice(0, 120)}`);
    }
  }
  if (document.title.includes(turn) && !closed(document.title)) leaks.push(`title: ${document.title}`);
  return leaks;
}"""
COUNT = "() => document.documentElement.outerHTML.split('\\u202e').length - 1"


def turned(what: str) -> str:
    """Text with a closing isolate, which must not close the page's isolation."""
    return f"{TURN}{what}\u2069 60:60"


def planted(make_session: Make) -> AgentSession:
    made = make_session(
        f"{TURN}agent",
        user_id=turned("user"),
        context={turned("key"): turned("value"), "list": [turned("item")]},
        checkpoints=(turned("first"), turned("second")),
    )
    talk(made.session_id, (turned("question"), turned("answer")))
    who: dict[str, Any] = {"actor": turned("actor"), "reason": turned("reason")}
    changed = {turned("key"): turned("new"), turned("more"): {turned("deep"): 1}}
    actions.perform("edit", made.session_id, context=changed, metadata={turned("m"): 1}, **who)
    actions.perform("rollback", made.session_id, checkpoint_id=2, **who)
    return made


def look(page: Page, path: str, *, at_least: int = 1) -> None:
    base = "/".join(page.url.split("/")[:3])
    page.goto(f"{base}{path}")
    for details in page.locator("details:not(.menu)").all():
        details.evaluate("one => { one.open = true }")
    assert page.evaluate(COUNT) >= at_least, f"{path} shows nothing that was planted"
    assert page.evaluate(LEAKS) == [], path


def test_texts_on_all_pages_do_not_change_the_direction_of_others(
    open_page: Open, make_session: Make
) -> None:
    made = planted(make_session)
    at = f"/sessions/{made.session_id}"
    page = open_page("/")
    for path in (
        "/",
        "/?type=" + f"{TURN}agent",
        f"{at}/",
        f"{at}/context/",
        f"{at}/metadata/",
        f"{at}/context/?find=value",
        f"{at}/context/?find={TURN}",
        f"{at}/compare/?a=2&b=3",
        f"{at}/edits/new/",
        f"{at}/edits/new/?part=metadata",
        f"{at}/pauses/",
        f"{at}/rollbacks/new/?checkpoint=2",
        "/conversations/",
    ):
        look(page, path)
    actions.perform(
        "fail", made.session_id, actor=turned("actor"), reason=turned("stopped because")
    )
    look(page, f"{at}/")
    look(page, "/?q=state:failed")
    actions.perform("delete", made.session_id, actor=turned("actor"), reason=turned("r"))
    look(page, f"{at}/")


def test_texts_in_saved_views_walls_and_bulk_orders_are_isolated(
    open_page: Open, make_session: Make, operator: Any
) -> None:
    made = make_session(f"{TURN}agent", checkpoints=(turned("first"),))
    view = SavedView.objects.create(owner=operator, name=turned("view"), shared=True)
    page = open_page("/", as_viewer=True)
    look(page, f"/{view.address}")
    look(page, f"/wall/{view.pk}/")
    page = open_page("/")
    look(page, f"/{view.address}")
    job = plan_ticked("rollback", {UUID(made.session_id): None}, operator)
    look(page, f"/bulk/{job.pk}/")
    choose_checkpoint(job, turned("first"))
    look(page, f"/bulk/{job.pk}/")
    BulkJob.objects.update(actor=turned("actor"), reason=turned("reason"), state="done")
    look(page, f"/bulk/{job.pk}/")
    look(page, "/bulk/")


def test_texts_in_a_conflict_are_isolated(open_page: Open, make_session: Make) -> None:
    made = make_session(context={turned("key"): turned("loaded")})
    page = open_page(f"/sessions/{made.session_id}/edits/new/")
    theirs = {turned("key"): turned("theirs")}
    who: dict[str, Any] = {"actor": turned("actor"), "reason": turned("reason")}
    actions.perform("edit", made.session_id, context=theirs, **who)
    field = page.locator("textarea.json")
    field.fill(field.input_value().replace("loaded", "mine"))
    page.locator("button[value=preview]").click()
    expect(page.locator(".conflict")).to_have_count(1)
    assert page.evaluate(LEAKS) == []
    page.locator("input[value=mine]").check()
    actions.perform("pause", made.session_id, **who)
    page.goto(page.url.replace("edits/new/", ""))
    page.locator("#session-head a[href*='/resumes/']").first.click()
    expect(page.locator("dialog[open]")).to_be_visible()
    actions.perform("resume", made.session_id, **who)
    page.locator("dialog form button.button:not([data-cancel])").click()
    expect(page.locator("dialog [role=alert]")).to_be_visible()
    assert page.evaluate(LEAKS) == []


def test_names_of_people_and_texts_in_toasts_are_isolated(
    open_page: Open, make_session: Make
) -> None:
    made = planted(make_session)
    presence.here(made.session_id, turned("viktoria"), "pauses")  # type: ignore[arg-type]
    page = open_page(f"/sessions/{made.session_id}/")
    expect(page.locator("#presence .avatar")).to_have_count(1)
    assert page.evaluate(LEAKS) == []
    script = """async (text) => {
      const source = [...document.querySelectorAll("script[type=module]")].map((one) => one.src).find((one) => one.includes("session"));
      const { toast } = await import(new URL("../core/toast.js", source).href);
      toast(text);
    }"""
    page.evaluate(script, turned("said"))
    expect(page.locator(".toast")).to_contain_text("said")
    assert page.evaluate(LEAKS) == []


def test_texts_in_the_admin_are_isolated(open_page: Open, make_session: Make) -> None:
    made = planted(make_session)
    page = open_page("/admin/sessions_app/agentsession/")
    look(page, "/admin/sessions_app/agentsession/")
    look(page, f"/admin/sessions_app/agentsession/{made.session_id}/change/")
    page.goto(page.url.replace("/change/", "/history/"))
    assert page.evaluate(LEAKS) == []


def test_texts_in_the_palette_are_isolated(open_page: Open, make_session: Make) -> None:
    make_session(f"{TURN}agent")
    page = open_page("/")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-list [role=option]").first).to_be_visible()
    assert TURN in (page.locator("#palette-list").text_content() or "")
    assert page.evaluate(LEAKS) == []
    page.locator("#palette-text").fill(turned("searched"))
    expect(page.locator("#palette-list")).to_contain_text("searched")
    assert page.evaluate(LEAKS) == []


def test_texts_in_the_completions_are_isolated(open_page: Open, make_session: Make) -> None:
    make_session(f"{TURN}agent\u2069 60:60")
    page = open_page("/")
    page.locator("#q").press_sequentially("agent:")
    expect(page.locator("#completions li code").first).to_contain_text("60:60")
    assert page.evaluate(LEAKS) == []


def test_texts_at_the_time_axis_are_isolated(open_page: Open, make_session: Make) -> None:
    made = planted(make_session)
    page = open_page(f"/sessions/{made.session_id}/")
    expect(page.locator("#axis svg text").first).to_be_attached()
    slider, hint = page.locator("#axis [role=slider]"), page.locator("#axis [data-axis=hint]")
    box = slider.bounding_box()
    assert box
    seen = 0
    for x in range(0, int(box["width"]), 8):
        box = slider.bounding_box() or box  # a notice above may come late and move it
        page.mouse.move(box["x"] + x, box["y"] + box["height"] / 2)
        page.evaluate(DRAWN)
        if TURN in (hint.text_content() or ""):
            seen += 1
            assert page.evaluate(LEAKS) == []
    assert seen


def test_texts_in_messages_of_the_admin_are_isolated(open_page: Open, make_session: Make) -> None:
    made = planted(make_session)
    page = open_page("/admin/sessions_app/agentsession/")
    page.locator("[name=action]").select_option("restore_sessions")
    page.locator(f".action-select[value='{made.session_id}']").check()
    page.locator(".actions button").click()
    expect(page.locator(".messagelist")).to_contain_text(made.session_id[:8])
    assert TURN in (page.locator(".messagelist").text_content() or "")
    assert page.evaluate(LEAKS) == []


def test_a_saved_view_says_its_name_isolated(operator: Any) -> None:
    view = SavedView(owner=operator, name=turned("view"))
    assert str(view) == f"\u2068{TURN}view 60:60\u2069"

"""Pages at all widths: nothing overflows, no word is broken, every visible column is readable."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from agent_sessions import AgentSession

Make = Callable[..., AgentSession]
Open = Callable[..., Page]

WIDTHS = (*range(320, 1500, 20), 1920, 2560, 3840)
READABLE = 138  # pixels: a dozen letters and a count

# texts without spaces that may wrap
BROKEN_WORDS = r"""() => [...document.querySelectorAll(".tile-word")].flatMap((tile) =>
  [...tile.textContent.matchAll(/\S+/g)].filter((word) => {
    const range = document.createRange();
    range.setStart(tile.firstChild, word.index);
    range.setEnd(tile.firstChild, word.index + word[0].length);
    return range.getClientRects().length > 1;
  }).map(String))"""

DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
STATUS = "performance.getEntriesByType('navigation')[0].responseStatus"


def at_every_width(page: Page) -> Iterator[int]:
    page.evaluate("document.fonts.ready")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(DRAWN)
        yield width


@pytest.mark.parametrize("language", ["de", "en"])
def test_no_word_on_the_tiles_of_a_wall_is_broken(open_page: Open, language: str) -> None:
    page = open_page("/wall/", locale=language)
    page.wait_for_selector("#connection[data-status=live]")
    expect(page.locator(".tile-word")).to_have_count(6)
    for width in at_every_width(page):
        assert page.evaluate(BROKEN_WORDS) == [], width


@pytest.mark.parametrize("language", ["de", "en"])
def test_no_page_scrolls_sideways(open_page: Open, make_session: Make, language: str) -> None:
    made = make_session("quality-judge", user_id="somebody.with-a-long-name@a-school.example")
    at = f"/sessions/{made.session_id}/"
    page = open_page("/", locale=language)
    base = page.url.rstrip("/")
    for path in ("/", "/wall/", "/bulk/", "/conversations/", at, f"{at}failures/"):
        page.goto(base + path)
        assert page.evaluate(STATUS) == 200, path
        for width in at_every_width(page):
            found = page.evaluate("document.documentElement.scrollWidth")
            assert found <= width, (path, width)


def test_the_last_checkpoint_is_readable_or_left_out(open_page: Open, make_session: Make) -> None:
    make_session(checkpoints=("essays_assigned",))
    page = open_page("/")
    shown = []
    for width in at_every_width(page):
        box = page.locator(".row .c-checkpoint").bounding_box()
        if box is not None:
            shown.append(width)
            assert box["width"] >= READABLE, width
    assert set(range(1200, 1500, 20)) < set(shown)


CUT_NUMBERS = """() => {
  const rail = document.getElementById("rail").getBoundingClientRect();
  const cut = (item) => {
    const place = item.getBoundingClientRect(), n = item.querySelector(".n").getBoundingClientRect();
    return n.width === 0 || n.right > place.right + 0.5 || n.left < place.left || place.width > rail.width + 0.5;
  };
  const beyond = (item) => innerWidth > 900 && item.getBoundingClientRect().right > rail.right + 0.5;
  return [...document.querySelectorAll(".rail-item")]
    .filter((item) => item.getClientRects().length && (cut(item) || beyond(item))).map((item) => item.textContent);
}"""


@pytest.mark.parametrize("agent_type", ["a" * 30, "quality judge of the whole school", "W" * 50])
def test_the_rail_shows_its_numbers_beside_the_longest_agent_type(
    open_page: Open, make_session: Make, agent_type: str
) -> None:
    make_session(agent_type)
    make_session("tutor")
    page = open_page("/")
    expect(page.locator(".rail-item", has_text=agent_type)).to_be_visible()
    for width in at_every_width(page):
        assert page.evaluate(CUT_NUMBERS) == [], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width

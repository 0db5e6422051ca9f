"""Rights in a browser: what a page hides, and what happens to an open page when rights change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from agent_sessions import AgentSession
from sessions_app.permissions import CONTENT, VIEW, ensure_permissions
from tests.app.pages.test_session_panels import talk

from .test_list import wait_until_live
from .test_session import checkpoint

Make = Callable[..., AgentSession]
Open = Callable[..., Page]
PUPIL = "Amrei-Sofie"


def give(user: User, *rights: str) -> None:
    known = ensure_permissions()
    user.user_permissions.set([known[right] for right in rights])


def one(make_session: Make) -> AgentSession:
    made = make_session("tutor", context={"pupil": PUPIL}, checkpoints=("begun",))
    talk(made.session_id, (f"Wie steht {PUPIL}?", "gut"))
    return made


def test_an_open_session_hides_its_contents_when_the_right_is_taken_and_shows_them_again(
    open_page: Open, make_session: Make, viewer: Any
) -> None:
    made = one(make_session)
    page = open_page(f"/sessions/{made.session_id}/", as_viewer=True)
    wait_until_live(page)
    expect(page.locator("#conversation")).to_contain_text(PUPIL)
    give(viewer, VIEW)
    expect(page.locator("#context")).to_contain_text("Mit Ihrem Konto sehen Sie")
    expect(page.locator("body")).not_to_contain_text(PUPIL)
    expect(page.locator("#checkpoints")).to_contain_text("begun")
    give(viewer, VIEW, CONTENT)
    expect(page.locator("#conversation")).to_contain_text(PUPIL)
    wait_until_live(page)


def test_a_session_without_its_contents_is_still_live(
    open_page: Open, make_session: Make, viewer: Any
) -> None:
    give(viewer, VIEW)
    made = one(make_session)
    page = open_page(f"/sessions/{made.session_id}/", as_viewer=True)
    wait_until_live(page)

    checkpoint(made, "essay_marked")
    expect(page.locator("#checkpoints")).to_contain_text("essay_marked")
    expect(page.locator("body")).not_to_contain_text(PUPIL)


def test_who_may_only_pause_is_offered_nothing_else(
    open_page: Open, make_session: Make, viewer: Any
) -> None:
    give(viewer, VIEW, "pause_session")
    made = one(make_session)
    page = open_page(f"/sessions/{made.session_id}/", as_viewer=True)
    wait_until_live(page)
    expect(page.locator(".head-actions .button.primary")).to_have_text("Pausieren")
    expect(page.locator(".menu-panel a[data-dialog]")).to_have_count(0)
    expect(page.locator("a[href*=rollbacks], a[href*=edits]")).to_have_count(0)
    page.locator(".head-actions .button.primary").click()
    page.locator("dialog textarea[name=reason]").fill("Mittagspause")
    page.locator("dialog form button.primary").click()
    expect(page.locator("#session-head")).to_have_attribute("data-state", "paused")
    expect(page.locator("body")).not_to_contain_text("Mittagspause")


def test_an_open_session_is_left_when_every_right_is_taken(
    open_page: Open, make_session: Make, viewer: Any
) -> None:
    made = one(make_session)
    page = open_page(f"/sessions/{made.session_id}/", as_viewer=True)
    wait_until_live(page)
    viewer.user_permissions.clear()
    viewer.groups.clear()
    expect(page.locator("body")).to_contain_text("hat noch keine Rechte")
    expect(page.locator("body")).not_to_contain_text(PUPIL)

"""A change that is not visible in a row is sent without HTML; all pages end with the same row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.live.hub import Hub
from sessions_app.live.sockets.frames import Update, VersionBump
from sessions_app.live.state.rendered_rows import render_rows
from tests.support.rows import render_row_in

from . import writers
from .conftest import created, heard
from .screen import Screen

pytestmark = pytest.mark.django_db(transaction=True)

IN_THE_CONTEXT = "UPDATE agent_sessions SET context = context || jsonb_build_object('n', version)"
IN_THE_ROW = "UPDATE agent_sessions SET user_id = 'maria-' || version"


async def changed(hub: Hub, database_url: str, session_id: str, how: str) -> int:
    version = writers.versions(database_url, [session_id])[session_id] + 1
    writers.sql(database_url, f"{how} WHERE id = %s", session_id)
    await heard(hub, session_id, version)
    return version


async def told(
    hub: Hub, database_url: str, session_id: str, how: str, *screens: Screen
) -> list[tuple[Any, Any]]:
    """Makes a change and ticks; returns the session's row and bump in each screen's last frame."""
    await changed(hub, database_url, session_id, how)
    await hub.tick()
    for screen in screens:
        await screen.settled()
    frames = [screen.frames[-1] for screen in screens]
    return [
        (frame.get("rows", {}).get(session_id), frame.get("touched", {}).get(session_id))
        for frame in frames
    ]


async def test_an_unchanged_row_is_sent_as_version_and_times(hub: Hub, database_url: str) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    ((first, _),) = await told(hub, database_url, session_id, IN_THE_CONTEXT, screen)
    assert first["version"] == 2 and first["html"]
    ((row, touch),) = await told(hub, database_url, session_id, IN_THE_CONTEXT, screen)
    assert row is None
    assert (touch["after"], touch["version"]) == (2, 3)
    assert touch["progress"] and touch["heartbeat"]


def test_an_unchanged_row_is_rendered_only_for_new_languages(database_url: str) -> None:
    (session_id,) = writers.create(database_url)
    known = render_rows({session_id: {"de": None}}).rendered[session_id]["de"]
    found = render_rows({session_id: {"de": known.parts, "en": None}})
    assert known.fragment and found.rendered[session_id]["en"].fragment
    assert found.rendered[session_id]["de"] == (None, known.parts)
    row = found.rows[session_id]
    entry = json.loads(f"{{{found.entry(row, 'de', belongs=False)}}}")[session_id]
    assert entry == {"version": 1, "html": render_row_in(row, language="de"), "matches": False}


async def test_a_changed_row_is_sent_whole(hub: Hub, database_url: str) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    await told(hub, database_url, session_id, IN_THE_CONTEXT, screen)
    ((row, touch),) = await told(hub, database_url, session_id, IN_THE_ROW, screen)
    assert "maria-2" in row["html"] and touch is None
    ((row, touch),) = await told(hub, database_url, session_id, IN_THE_CONTEXT, screen)
    assert row is None and touch["after"] == 3


async def test_a_page_with_another_version_gets_the_whole_row(hub: Hub, database_url: str) -> None:
    """The page's version may have looked different from the last one sent."""
    (session_id,) = await created(hub, database_url)
    there, newcomer = Screen(hub), Screen(hub)
    await there.shows([session_id])
    await told(hub, database_url, session_id, IN_THE_CONTEXT, there)
    await told(hub, database_url, session_id, IN_THE_CONTEXT, there)
    version = await changed(hub, database_url, session_id, IN_THE_ROW)
    newcomer.says({"type": "hello", "page": "list", "rows": {session_id: version}})
    await changed(hub, database_url, session_id, "UPDATE agent_sessions SET user_id = 'maria'")
    await hub.tick()
    for screen in (there, newcomer):
        await screen.settled()
        assert screen.rows[session_id]["version"] == version + 1
        assert "maria" in screen.rows[session_id]["html"]


async def test_a_page_that_joins_with_the_current_version_gets_bumps_too(
    hub: Hub, database_url: str
) -> None:
    """For a page that joins with the version that all others show, no row has to be sent whole."""
    (session_id,) = await created(hub, database_url)
    there, newcomer = Screen(hub), Screen(hub)
    await there.shows([session_id])
    await told(hub, database_url, session_id, IN_THE_CONTEXT, there)
    await newcomer.shows({session_id: 2})
    both = await told(hub, database_url, session_id, IN_THE_CONTEXT, there, newcomer)
    assert [(row, touch["version"]) for row, touch in both] == [(None, 3), (None, 3)]


async def test_a_language_without_pages_for_a_while_gets_the_whole_row(
    hub: Hub, database_url: str
) -> None:
    (session_id,) = await created(hub, database_url)
    german, english = Screen(hub), Screen(hub)
    await german.shows([session_id], language="de")
    await english.shows([session_id], language="en")
    await told(hub, database_url, session_id, IN_THE_CONTEXT, german, english)
    hub.gateway.leave(english.socket)
    await told(hub, database_url, session_id, IN_THE_ROW, german)
    back = Screen(hub)
    await back.shows({session_id: 3}, language="en")
    found = await told(hub, database_url, session_id, IN_THE_CONTEXT, german, back)
    assert [bool(row) for row, _ in found] == [False, True]


async def test_a_row_that_leaves_the_list_says_so_though_it_looks_the_same(
    hub: Hub, database_url: str
) -> None:
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    await screen.shows([session_id])
    await told(hub, database_url, session_id, IN_THE_CONTEXT, screen)
    screen.hub.subscriptions.sockets[screen.socket].outside.add(session_id)  # type: ignore[union-attr]
    ((row, touch),) = await told(hub, database_url, session_id, IN_THE_CONTEXT, screen)
    assert row["matches"] is True and touch is None


async def test_a_stalled_page_gets_merged_bumps(hub: Hub, database_url: str) -> None:
    (session_id,) = await created(hub, database_url)
    stalled = Screen(hub, acknowledges=False)
    await stalled.shows([session_id])
    await told(hub, database_url, session_id, IN_THE_CONTEXT, stalled)
    stalled.socket.sent += hub.limits.window_frames
    for _ in range(3):
        await changed(hub, database_url, session_id, IN_THE_CONTEXT)
        await hub.tick()
    assert stalled.socket.update is not None
    touch = stalled.socket.update.touched[session_id]
    assert (touch.after, touch.version) == (2, 5)


class Shown:
    """Like known_versions.js: takes newer rows, and bumps that build on the shown version."""

    version, looks = 1, "first"

    def takes(self, parts: Update) -> None:
        for text in parts.rows.values():
            version, looks = text.split()
            if int(version) > self.version:
                self.version, self.looks = int(version), looks
        for touch in parts.touched.values():
            if touch.version > self.version:
                assert touch.after == self.version
                self.version = touch.version


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=30))
def test_whatever_waits_and_merges_the_page_ends_with_the_newest_row(
    steps: list[tuple[str, bool, bool]],
) -> None:
    """Each step: the row's look, whether a version is skipped, whether the page is written to."""
    shown = Shown()
    slot: Update | None = None
    version, looks = 1, "first"
    for now, skips, writes in steps:
        told, version = version, version + 1 + skips
        same = now == looks
        parts = (
            Update(touched={"a": VersionBump(told, version, None, None)})
            if same
            else Update({"a": f"{version} {now}"})
        )
        looks = now
        slot = parts if slot is None else slot.merged(parts)
        if writes:
            shown.takes(slot)
            slot = None
    if slot is not None:
        shown.takes(slot)
    assert (shown.version, shown.looks) == (version, looks)

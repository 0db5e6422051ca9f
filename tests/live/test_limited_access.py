"""A page of somebody who is limited to agent types: whatever it asks for, it hears nothing of other sessions."""

from __future__ import annotations

import json

import pytest

from sessions_app.live.hub import Hub
from sessions_app.live.sockets import close_codes
from sessions_app.live.sockets.auth import Viewer
from sessions_app.permissions import Access
from tests.support.access import FULL

from . import writers
from .conftest import created, heard, until
from .screen import Screen

pytestmark = pytest.mark.django_db(transaction=True)
TUTORS = Viewer(2, "key", "hash", "de", Access(FULL.rights, frozenset({"tutor"})))
TYPES = "UPDATE agent_sessions SET agent_type = %s WHERE id = %s"


async def two(hub: Hub, database_url: str) -> tuple[str, str]:
    own, other = await created(hub, database_url, 2)
    writers.sql(database_url, TYPES, "tutor", own)
    writers.sql(database_url, TYPES, "judge", other)
    return own, other


async def limited(hub: Hub) -> Screen:
    return Screen(hub, viewer=TUTORS)


async def test_a_list_hears_of_its_own_agent_types_alone(hub: Hub, database_url: str) -> None:
    own, other = await two(hub, database_url)
    whole, screen = Screen(hub), await limited(hub)
    for each in (whole, screen):
        each.says({"type": "hello", "page": "list", "rows": {own: 0, other: 0}, "seq": 1})
    await until(lambda: whole.last("hello") == screen.last("hello") == 1, hub.tick)
    assert set(whole.rows) == {own, other}
    assert set(screen.rows) == {own}
    for session_id in (other, own):
        writers.pause(database_url, session_id)
        await heard(hub, session_id, 2)
    await until(
        lambda: screen.rows[own]["version"] >= 2 and whole.rows[other]["version"] >= 2, hub.tick
    )
    assert other not in json.dumps(screen.frames)
    assert other in json.dumps(whole.frames)
    await until(lambda: screen.last("counts") and whole.last("counts"), hub.tick)
    assert set(screen.last("counts")["types"]) == {"tutor"}
    assert set(whole.last("counts")["types"]) == {"judge", "tutor"}


async def test_a_page_of_a_session_that_is_not_visible_is_told_nothing(
    hub: Hub, database_url: str
) -> None:
    own, other = await two(hub, database_url)
    screen = await limited(hub)
    screen.says({"type": "hello", "page": "session", "id": other, "version": 0, "seq": 1})
    await until(lambda: screen.last("hello") == 1, hub.tick)
    writers.pause(database_url, other)
    await heard(hub, other, 2)
    await hub.tick()
    await screen.settled()
    assert other not in json.dumps(screen.frames)
    screen.says({"type": "hello", "page": "session", "id": own, "version": 0, "seq": 2})
    await until(lambda: screen.last("session") is not None, hub.tick)
    assert screen.last("session")["id"] == own


async def test_new_sessions_of_other_agent_types_are_not_counted(
    hub: Hub, database_url: str
) -> None:
    screen, whole = await limited(hub), Screen(hub)
    for each in (screen, whole):
        each.says({"type": "hello", "page": "list", "rows": {}, "seq": 1})
    await until(lambda: whole.last("hello") == screen.last("hello") == 1, hub.tick)
    await created(hub, database_url, 2)
    await until(lambda: whole.last("new") == 2, hub.tick)
    await hub.tick()
    await screen.settled()
    assert screen.last("new") is None


async def test_of_two_hellos_the_later_one_counts(hub: Hub, database_url: str) -> None:
    own, other = await two(hub, database_url)
    screen = await limited(hub)
    screen.says({"type": "hello", "page": "list", "rows": {other: 1}, "seq": 1})
    screen.says({"type": "hello", "page": "list", "rows": {own: 0}, "seq": 2})
    await until(lambda: screen.last("hello") == 2, hub.tick)
    assert screen.rows.keys() == {own}
    assert all(frame.get("hello") != 1 for frame in screen.frames)


async def test_a_session_that_was_removed_for_good_is_told(hub: Hub, database_url: str) -> None:
    own, _other = await two(hub, database_url)
    writers.sql(database_url, "DELETE FROM agent_sessions WHERE id = %s", own)
    screen = await limited(hub)
    screen.says({"type": "hello", "page": "list", "rows": {own: 1}, "seq": 1})
    await until(lambda: screen.last("hello") == 1, hub.tick)
    assert screen.rows[own]["gone"] is True


async def test_a_page_follows_the_conversation_of_its_own_session_alone(
    hub: Hub, database_url: str
) -> None:
    own, other = await two(hub, database_url)
    for asked, followed in ((other, ""), ("klasse-7b", ""), (own, own)):
        screen = await limited(hub)
        screen.says(
            {
                "type": "hello",
                "page": "session",
                "id": own,
                "version": 0,
                "conversation": asked,
                "seq": 1,
            }
        )
        await until(lambda screen=screen: screen.last("hello") == 1, hub.tick)  # type: ignore[misc]
        subscription = hub.gateway._subscriptions.sockets[screen.socket]
        assert subscription is not None
        assert subscription.key.conversation == followed


async def test_a_row_whose_agent_type_changes_leaves_the_list_without_its_values(
    hub: Hub, database_url: str
) -> None:
    own, _other = await two(hub, database_url)
    screen = await limited(hub)
    screen.says({"type": "hello", "page": "list", "rows": {own: 0}, "seq": 1})
    await until(lambda: screen.last("hello") == 1, hub.tick)
    writers.sql(
        database_url,
        "UPDATE agent_sessions SET agent_type = 'judge', user_id = 'geheim' WHERE id = %s",
        own,
    )
    await until(lambda: screen.rows[own].get("gone"), hub.tick)
    assert "geheim" not in json.dumps(screen.frames)


async def test_a_page_that_was_rendered_with_other_rights_loads_again(
    hub: Hub, database_url: str
) -> None:
    own, _other = await two(hub, database_url)
    now = await limited(hub)
    for access, code in ((FULL.digest, close_codes.RIGHTS_CHANGED), (TUTORS.access.digest, None)):
        screen = await limited(hub)
        screen.says({"type": "hello", "page": "list", "rows": {own: 1}, "access": access, "seq": 1})
        await until(lambda screen=screen: screen.closed or screen.last("hello"), hub.tick)  # type: ignore[misc]
        assert (screen.closed and screen.closed[0]) == code
    assert now.closed is None

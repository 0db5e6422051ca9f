"""Open pages get new turns of a conversation, although the session has no new version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest
from redis.asyncio import Redis

from agent_sessions import StorageUnavailable
from agent_sessions.conversation import ConversationConfig, ConversationManager
from sessions_app.live.hub import Hub
from sessions_app.manager_portal import portal
from sessions_app.selectors import conversation_client
from tests.support.keys import CONVERSATION_KEYS

from .conftest import Clock, created, until
from .screen import Screen

pytestmark = pytest.mark.django_db(transaction=True)
CHANNEL = CONVERSATION_KEYS.changes
Start = Callable[..., Awaitable[Hub]]


@pytest.fixture
async def agents(valkey_url: str) -> AsyncIterator[ConversationManager]:
    """The manager of an agent."""
    async with ConversationManager(ConversationConfig(valkey_url=valkey_url)) as manager:
        yield manager
    portal.close()


@pytest.fixture
async def talking(start_hub: Start) -> Hub:
    return await start_hub(conversation_channel=CHANNEL, read_stamps=conversation_client.stamps)


async def looks(hub: Hub, session_id: str, conversation: str) -> Screen:
    screen = Screen(hub)
    screen.says(
        {
            "type": "hello",
            "page": "session",
            "id": session_id,
            "version": 1,
            "conversation": conversation,
        }
    )
    await hub.tick()
    await until(lambda: told(screen), hub.conversations.push)
    return screen


def told(screen: Screen) -> str:
    """The newest stamp that the page was sent."""
    parts = [frame["session"] for frame in screen.frames if "session" in frame]
    return next((p["conversation"] for p in reversed(parts) if "conversation" in p), "")


async def test_a_turn_reaches_every_session_that_shares_the_conversation(
    talking: Hub, agents: ConversationManager, database_url: str
) -> None:
    one, other = await created(talking, database_url, 2)
    screens = [await looks(talking, session_id, "shared") for session_id in (one, other)]
    stranger = await looks(talking, one, one)
    before = told(stranger)
    assert [told(screen) for screen in screens] == ["0:0", "0:0"]
    await agents.add_turn_to_session("shared", "Und in Enschede?", "7 Museen")
    await until(lambda: all(told(s) != "0:0" for s in screens), talking.conversations.push)
    state = await agents.peek("shared")
    assert state is not None
    assert {told(screen) for screen in screens} == {state.stamp}
    assert told(stranger) == before
    assert await versions(database_url, one, other) == {1}
    assert not any(screen.rows or screen.touched for screen in screens)


async def versions(database_url: str, *ids: str) -> set[int]:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        found = await connection.execute(
            "SELECT version FROM agent_sessions WHERE id = ANY(%s::uuid[])", (list(ids),)
        )
        return {row[0] for row in await found.fetchall()}


async def test_a_page_that_leaves_or_comes_takes_the_turns_of_no_other(
    talking: Hub, agents: ConversationManager, database_url: str
) -> None:
    """Several pages of one session, of several sessions, and one that opens when there are turns already."""
    one, other, later = await created(talking, database_url, 3)
    leaving, staying = [await looks(talking, one, "shared") for _ in range(2)]
    screens = [staying, await looks(talking, other, "shared")]
    await agents.add_turn_to_session("shared", "Und in Enschede?", "7 Museen")
    await until(lambda: all(told(s) != "0:0" for s in screens), talking.conversations.push)
    talking.gateway.leave(leaving.socket)
    screens.append(await looks(talking, later, "shared"))
    first = told(screens[0])
    assert {told(screen) for screen in screens} == {first}
    await agents.add_turn_to_session("shared", "Und in Hengelo?", "12 Museen")
    await until(lambda: all(told(s) != first for s in screens), talking.conversations.push)
    state = await agents.peek("shared")
    assert state is not None
    assert {told(screen) for screen in screens} == {state.stamp}


async def test_what_was_published_while_nobody_heard_is_found(
    start_hub: Start, clock: Clock, agents: ConversationManager, database_url: str
) -> None:
    """The hub gets no messages on this channel: only the comparison finds the turn."""
    hub = await start_hub(
        read_stamps=conversation_client.stamps,
        clock=lambda: clock.wall,
        monotonic=lambda: clock.steady,
    )
    (session_id,) = await created(hub, database_url)
    screen = await looks(hub, session_id, session_id)
    await agents.add_turn_to_session(session_id, "Und in Enschede?", "7 Museen")
    await hub.conversations.push()
    assert told(screen) == "0:0"
    clock.passes(hub.limits.reconcile)
    await until(lambda: told(screen) != "0:0", hub.conversations.push)


async def test_many_turns_are_one_look_and_pages_that_left_cost_nothing(
    start_hub: Start, agents: ConversationManager, redis_client: Redis, database_url: str
) -> None:
    asked: list[list[str]] = []

    def read(names: list[str]) -> dict[str, str]:
        asked.append(list(names))
        return conversation_client.stamps(names)

    hub = await start_hub(conversation_channel=CHANNEL, read_stamps=read)
    (session_id,) = await created(hub, database_url)
    screen = await looks(hub, session_id, session_id)
    asked.clear()
    for n in range(20):
        await agents.add_turn_to_session(session_id, f"Frage {n}", "Antwort")
    await redis_client.publish(CHANNEL, "nonsense")
    await redis_client.publish(CHANNEL, "[]")
    await until(lambda: hub.subscriptions.conversations[session_id].due)
    await hub.conversations.push()
    assert len(asked) == 1
    hub.gateway.leave(screen.socket)
    assert not hub.subscriptions.conversations


async def test_while_valkey_is_away_nothing_is_told_and_nothing_breaks(
    start_hub: Start, database_url: str
) -> None:
    def away(names: object) -> dict[str, str]:
        raise StorageUnavailable("away")

    hub = await start_hub(conversation_channel=CHANNEL, read_stamps=away)
    (session_id,) = await created(hub, database_url)
    screen = Screen(hub)
    screen.says({"type": "hello", "page": "session", "id": session_id, "conversation": "a"})
    await hub.tick()
    await hub.conversations.push()
    await screen.settled()
    assert told(screen) == ""
    assert screen.closed is None
    hub.conversations.compare()
    assert hub.subscriptions.conversations["a"].due

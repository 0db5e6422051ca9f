"""The list of live conversations, which uses an index and never scans the keys."""

from __future__ import annotations

import uuid

import pytest

from agent_sessions.errors import InvalidInput
from tests.support.keys import CONVERSATION_KEYS

INDEX = CONVERSATION_KEYS.index


async def ids(manager, **how) -> list[str]:
    return [item.id for item in (await manager.list_conversations(**how)).items]


async def all_pages(manager, limit: int) -> list[str]:
    found, after = [], None
    while True:
        page = await manager.list_conversations(limit, after)
        found += [item.id for item in page.items]
        after = page.after
        if after is None:
            return found


async def test_no_conversations_are_an_empty_page(conversations):
    page = await conversations.list_conversations()
    assert (page.items, page.after, page.complete) == ([], None, True)


async def test_a_row_says_what_one_wants_to_know(conversations):
    await conversations.add_turn_to_session("c", "Museums?", "Three.")
    await conversations.add_turn_to_session("c", "And in Enschede?", "Two.")
    (item,) = (await conversations.list_conversations()).items
    assert (item.id, item.language, item.turns) == ("c", "nl", 4)
    assert item.last_question == "And in Enschede?"
    assert item.idle_seconds >= 0
    assert item.idle_seconds + item.expires_in_seconds == pytest.approx(1800, abs=1)


async def test_a_conversation_without_a_turn_is_listed_too(conversations):
    await conversations.get_or_create("c")
    (item,) = (await conversations.list_conversations()).items
    assert (item.turns, item.last_question) == (0, None)


async def test_an_updated_state_is_described_as_it_is(conversations):
    _, state = await conversations.get_or_create("c")
    state.language = "de"
    await conversations.update("c", state)
    (item,) = (await conversations.list_conversations()).items
    assert item.language == "de"


async def test_a_long_question_is_cut(conversations):
    await conversations.add_turn_to_session("c", "é" * 5000, "!")
    (item,) = (await conversations.list_conversations()).items
    assert item.last_question == "é" * 200


async def test_a_tutors_conversation_names_its_agent_session(conversations):
    session_id = str(uuid.uuid4())
    await conversations.add_turn_to_session(session_id, "?", "!")
    await conversations.add_turn_to_session("other", "?", "!")
    linked = {item.id: item.session_id for item in (await conversations.list_conversations()).items}
    assert linked == {session_id: session_id, "other": None}


@pytest.mark.parametrize("limit", [1, 3, 10, 25])
async def test_the_pages_hold_each_conversation_once(conversations, limit):
    names = [f"c{n}" for n in range(25)]
    for name in names:
        await conversations.add_turn_to_session(name, "?", "!")
    found = await all_pages(conversations, limit)
    assert len(found) == 25
    assert set(found) == set(names)


async def test_many_used_in_the_same_millisecond_are_paged_through_as_well(
    conversations_in_valkey, stored
):
    names = [f"c{n}" for n in range(40)]
    for name in names:
        await conversations_in_valkey.add_turn_to_session(name, "?", "!")
    same = stored.zscore(INDEX, "c0")
    stored.zadd(INDEX, dict.fromkeys(names, same))
    assert sorted(await all_pages(conversations_in_valkey, 7)) == sorted(names)


async def test_the_latest_used_comes_first(conversations, stored_later):
    for name in "abc":
        await conversations.add_turn_to_session(name, "?", "!")
        stored_later(name)
    await conversations.get("a")
    assert (await ids(conversations))[0] == "a"


async def test_one_that_is_used_while_one_turns_the_pages_is_not_shown_twice(
    conversations_in_valkey,
):
    manager = conversations_in_valkey
    for name in "abcdef":
        await manager.add_turn_to_session(name, "?", "!")
    first = await manager.list_conversations(3)
    last_of_all = (await all_pages(manager, 6))[-1]
    await manager.get(first.items[0].id)
    second = await manager.list_conversations(3, first.after)
    assert not {item.id for item in first.items} & {item.id for item in second.items}
    assert second.items[-1].id == last_of_all


async def test_deleted_and_expired_ones_leave_the_list(conversations_in_valkey, stored):
    for name in "abc":
        await conversations_in_valkey.add_turn_to_session(name, "?", "!")
    await conversations_in_valkey.delete("a")
    stored.delete(CONVERSATION_KEYS.text("b"))
    assert await ids(conversations_in_valkey) == ["c"]
    assert stored.zrange(INDEX, 0, -1) == ["c"]


async def test_the_index_is_trimmed_as_it_is_used(conversations_in_valkey, stored):
    stored.zadd(INDEX, {f"gone{n}": n for n in range(10)})
    for _ in range(5):
        await conversations_in_valkey.add_turn_to_session("c", "?", "!")
    assert stored.zrange(INDEX, 0, -1) == ["c"]


async def test_the_tick_trims_it_too(conversations_in_valkey, stored):
    stored.zadd(INDEX, {f"gone{n}": n for n in range(500)})
    await conversations_in_valkey.tick()
    assert stored.zcard(INDEX) == 0


async def test_one_that_another_program_kept_alive_stays_and_gets_its_place(
    conversations_in_valkey, stored
):
    await conversations_in_valkey.add_turn_to_session("a", "?", "!")
    stored.zadd(INDEX, {"a": 1})
    await conversations_in_valkey.add_turn_to_session("b", "?", "!")
    assert stored.zscore(INDEX, "a") > 1_000_000


async def test_listing_does_not_look_through_the_keys(conversations_in_valkey, stored):
    await conversations_in_valkey.add_turn_to_session("c", "?", "!")
    stored.config_resetstat()
    await conversations_in_valkey.list_conversations()
    assert not {"cmdstat_scan", "cmdstat_keys"} & set(stored.info("commandstats"))


@pytest.mark.parametrize("after", ["x", "1", "/", "x/y", "1/", "²/a", "9" * 30 + "/a"])
async def test_a_place_that_is_none_is_refused(conversations, after):
    with pytest.raises(InvalidInput, match="no place in the list"):
        await conversations.list_conversations(10, after)


@pytest.mark.parametrize("limit", [0, -1, 501])
async def test_a_page_has_bounds(conversations, limit):
    with pytest.raises(InvalidInput, match="limit"):
        await conversations.list_conversations(limit)


@pytest.fixture
def stored_later(request, conversations):
    """Sets a conversation's last use a second earlier, instead of waiting; does nothing without Valkey."""
    if conversations.config.valkey_url is None:
        return lambda name: None
    client = request.getfixturevalue("stored")
    return lambda name: client.zadd(INDEX, {name: client.zscore(INDEX, name) - 1000})

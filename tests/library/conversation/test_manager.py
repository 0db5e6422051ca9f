"""Behaviour with and without Valkey."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from agent_sessions.conversation import (
    ConversationConfig,
    ConversationState,
    ConversationTurn,
    get_session_manager,
    shutdown_session_manager,
)
from agent_sessions.errors import Conflict, InvalidInput

QUESTION = ConversationTurn(
    "user", "Museums in Hengelo?", slots={"city": "Hengelo"}, template_id="t"
)


def contents(state: ConversationState | None) -> list[str]:
    assert state is not None
    return [turn.content for turn in state.turns]


async def test_a_new_conversation_gets_an_id_of_its_own(conversations):
    first, state = await conversations.get_or_create()
    second, _ = await conversations.get_or_create()
    assert first != second
    assert uuid.UUID(first)
    assert state == ConversationState()
    assert await conversations.get(first) == ConversationState()


async def test_an_unknown_id_is_created_under_that_id(conversations):
    assert await conversations.get("tutor:7") is None
    assert (await conversations.get_or_create("tutor:7"))[0] == "tutor:7"
    assert await conversations.get("tutor:7") is not None


async def test_a_known_id_gives_the_conversation_as_it_is(conversations):
    await conversations.add_turn_to_session("c", "Museums?", "Three.")
    session_id, state = await conversations.get_or_create("c")
    assert session_id == "c"
    assert contents(state) == ["Museums?", "Three."]


async def test_a_question_and_its_answer_are_stored_with_everything_said_about_them(conversations):
    await conversations.add_turn_to_session(
        "c", "And in Enschede?", "Two.", resolved_question="Museums in Enschede?",
        template_id="by_city", slots={"city": "Enschede"}, results=[{"name": "Rijksmuseum Twenthe", "tags": []}],
    )  # fmt: skip
    state = await conversations.get("c")
    assert state.turns[0].resolved_question == "Museums in Enschede?"
    assert state.turns[0].template_id == "by_city"
    assert state.turns[1].results == [{"name": "Rijksmuseum Twenthe", "tags": []}]
    assert state.current_slots == {"city": "Enschede"}
    assert state.current_template_id == "by_city"


async def test_slots_come_together_over_several_turns(conversations):
    await conversations.add_turn_to_session("c", "?", "!", slots={"type": "M", "city": "Hengelo"})
    await conversations.add_turn_to_session("c", "?", "!", slots={"city": 'Den "Haag" / 🙂 \n\\'})
    state = await conversations.get("c")
    assert state.current_slots == {"type": "M", "city": 'Den "Haag" / 🙂 \n\\'}


async def test_what_get_returns_is_a_copy(conversations):
    await conversations.add_turn_to_session("c", "?", "!", slots={"a": "b"}, results=[{"x": [1]}])
    mine = await conversations.get("c")
    mine.add_turn(QUESTION)
    mine.current_slots["a"] = "z"
    mine.turns[1].results[0]["x"].append(2)
    theirs = await conversations.get("c")
    assert contents(theirs) == ["?", "!"]
    assert theirs.current_slots == {"a": "b"}
    assert theirs.turns[1].results == [{"x": [1]}]


async def test_what_is_given_is_copied_too(conversations):
    results = [{"x": [1]}]
    await conversations.add_turn_to_session("c", "?", "!", results=results)
    results[0]["x"].append(2)
    assert (await conversations.get("c")).turns[1].results == [{"x": [1]}]


async def test_an_update_stores_what_was_added(conversations):
    session_id, state = await conversations.get_or_create()
    state.add_turn(QUESTION)
    state.language = "de"
    await conversations.update(session_id, state)
    assert await conversations.get(session_id) == state


async def test_the_same_copy_can_be_updated_again_and_again(conversations):
    session_id, state = await conversations.get_or_create()
    for n in range(5):
        state.add_turn(ConversationTurn("user", str(n)))
        await conversations.update(session_id, state)
    assert contents(await conversations.get(session_id)) == ["0", "1", "2", "3", "4"]


async def test_an_update_loses_nothing_that_others_added_meanwhile(conversations):
    session_id, mine = await conversations.get_or_create()
    await conversations.add_turn_to_session(session_id, "theirs", "!", slots={"a": "1"})
    mine.add_turn(ConversationTurn("user", "mine", slots={"b": "2"}))
    await conversations.update(session_id, mine)
    state = await conversations.get(session_id)
    assert contents(state) == ["theirs", "!", "mine"]
    assert state.current_slots == {"a": "1", "b": "2"}


async def test_a_slot_taken_away_is_gone(conversations):
    await conversations.add_turn_to_session("c", "?", "!", slots={"a": "1", "b": "2"})
    state = await conversations.get("c")
    del state.current_slots["a"]
    await conversations.update("c", state)
    assert (await conversations.get("c")).current_slots == {"b": "2"}


async def test_rewriting_what_was_said_replaces_it(conversations):
    await conversations.add_turn_to_session("c", "one", "1")
    state = await conversations.get("c")
    state.turns[0].content = "uno"
    del state.turns[1]
    await conversations.update("c", state)
    assert contents(await conversations.get("c")) == ["uno"]
    await conversations.add_turn_to_session("c", "two", "2")
    assert contents(await conversations.get("c")) == ["uno", "two", "2"]


async def test_rewriting_what_others_changed_meanwhile_is_a_conflict(conversations):
    await conversations.add_turn_to_session("c", "one", "1")
    mine = await conversations.get("c")
    await conversations.add_turn_to_session("c", "two", "2")
    mine.turns.clear()
    with pytest.raises(Conflict, match="changed meanwhile"):
        await conversations.update("c", mine)
    assert contents(await conversations.get("c")) == ["one", "1", "two", "2"]


async def test_a_state_from_elsewhere_replaces_what_is_stored(conversations):
    await conversations.add_turn_to_session("c", "old", "!")
    await conversations.update("c", ConversationState([QUESTION], {"city": "Ulft"}, "t", "de"))
    assert await conversations.get("c") == ConversationState(
        [QUESTION], {"city": "Ulft"}, "t", "de"
    )


async def test_an_update_without_a_change_stores_nothing_twice(conversations):
    await conversations.add_turn_to_session("c", "one", "1")
    state = await conversations.get("c")
    await conversations.update("c", state)
    await conversations.update("c", state)
    assert contents(await conversations.get("c")) == ["one", "1"]


async def test_deleting_says_whether_there_was_one(conversations):
    await conversations.add_turn_to_session("c", "?", "!")
    assert await conversations.delete("c") is True
    assert await conversations.delete("c") is False
    assert await conversations.delete("never") is False
    assert await conversations.get("c") is None


async def test_a_conversation_begun_again_after_deletion_is_empty(conversations):
    await conversations.add_turn_to_session("c", "?", "!", slots={"a": "1"})
    await conversations.delete("c")
    assert (await conversations.get_or_create("c"))[1] == ConversationState()


async def test_many_at_once_lose_nothing(conversations):
    await asyncio.gather(
        *(conversations.add_turn_to_session("c", f"q{n}", f"a{n}") for n in range(500))
    )
    said = contents(await conversations.get("c"))
    assert said == [f"{kind}{n}" for n in range(500) for kind in "qa"]


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a/b", "a\x00", "x" * 201, "index", "ä", "a#about", 5, None]
)
async def test_an_id_that_cannot_be_a_key_is_refused(conversations, name):
    with pytest.raises(InvalidInput, match="no conversation id"):
        await conversations.add_turn_to_session(name, "?", "!")
    with pytest.raises(InvalidInput):
        await conversations.get(name)


async def test_a_refused_turn_leaves_no_trace(conversations):
    with pytest.raises(InvalidInput, match="NUL"):
        await conversations.add_turn_to_session("c", "fine", "not \x00 fine")
    assert await conversations.get("c") is None


@pytest.fixture(params=["in memory", "in Valkey"])
def url(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "in memory" else str(request.getfixturevalue("valkey_url"))


async def test_a_conversation_cannot_grow_without_end(make, url):
    manager = make(url, max_bytes=10_000)
    with pytest.raises(InvalidInput, match="is full"):
        for _ in range(100):
            await manager.add_turn_to_session("c", "x" * 200, "y" * 200)
    assert 20 < len((await manager.get("c")).turns) < 60


async def test_a_state_that_is_too_long_is_not_stored(make, url):
    manager = make(url, max_bytes=2_000)
    await manager.add_turn_to_session("c", "?", "!")
    state = await manager.get("c")
    state.add_turn(ConversationTurn("user", "x" * 5_000))
    with pytest.raises(InvalidInput, match="is full"):
        await manager.update("c", state)
    assert len((await manager.get("c")).turns) == 2


async def test_a_turn_that_is_too_long_begins_no_conversation_and_evicts_none(make, url):
    """Not even in memory, where it would count and take another one's place."""
    manager = make(url, max_bytes=2_000, max_sessions=1)
    await manager.add_turn_to_session("here", "?", "!")
    with pytest.raises(InvalidInput, match="is full"):
        await manager.add_turn_to_session("new", "x" * 5_000, "!")
    stats = manager.get_stats()
    assert (stats["active_sessions"], stats["sessions_evicted"]) == (1, 0)
    assert await manager.get("new") is None


async def test_the_statistics_have_the_names_of_the_contract(conversations):
    assert {
        "sessions_created", "sessions_expired", "sessions_evicted", "cache_hits", "cache_misses",
        "active_sessions", "redis_available",
    } <= set(conversations.get_stats())  # fmt: skip


async def test_the_statistics_count(conversations):
    await conversations.get_or_create("a")
    await conversations.add_turn_to_session("b", "?", "!")
    await conversations.get("b")
    await conversations.get("nobody")
    stats = conversations.get_stats()
    assert stats["sessions_created"] == 2
    assert stats["active_sessions"] == 2
    assert (stats["cache_hits"], stats["cache_misses"]) == (1, 2)


async def test_without_valkey_a_conversation_expires_when_nobody_used_it(make, clock):
    manager = make()
    await manager.add_turn_to_session("c", "?", "!")
    clock.pass_by(1801)
    assert await manager.get("c") is None
    assert manager.get_stats()["sessions_expired"] == 1
    assert (await manager.get_or_create("c"))[1].turns == []


async def test_reads_and_writes_keep_it_alive(make, clock):
    manager = make()
    await manager.add_turn_to_session("c", "?", "!")
    for _ in range(3):
        clock.pass_by(1000)
        assert await manager.get("c")
        clock.pass_by(1000)
        await manager.add_turn_to_session("c", "?", "!")
    assert len((await manager.get("c")).turns) == 8


async def test_an_onlooker_does_not_keep_it_alive(make, clock):
    manager = make()
    await manager.add_turn_to_session("c", "?", "!")
    clock.pass_by(1000)
    assert contents(await manager.peek("c")) == ["?", "!"]
    clock.pass_by(1000)
    assert await manager.peek("c") is None


async def test_the_tick_forgets_what_is_idle_and_only_that(make, clock):
    manager = make()
    await manager.add_turn_to_session("old", "?", "!")
    clock.pass_by(1000)
    await manager.add_turn_to_session("young", "?", "!")
    clock.pass_by(1000)
    await manager.tick()
    stats = manager.get_stats()
    assert (stats["active_sessions"], stats["sessions_expired"]) == (1, 1)
    assert await manager.get("young")


async def test_beyond_the_limit_the_least_recently_used_goes_first(make):
    manager = make(max_sessions=3)
    for name in "abc":
        await manager.add_turn_to_session(name, "?", "!")
    await manager.get("a")
    await manager.add_turn_to_session("d", "?", "!")
    assert await manager.get("b") is None
    assert {name for name in "acd" if await manager.get(name)} == {"a", "c", "d"}
    assert manager.get_stats()["sessions_evicted"] == 1


async def test_what_memory_evicts_is_still_in_valkey(make, valkey_url):
    manager = make(valkey_url, max_sessions=2)
    for name in "abc":
        await manager.add_turn_to_session(name, "?", "!")
    assert manager.get_stats()["active_sessions"] == 2
    assert contents(await manager.get("a")) == ["?", "!"]


async def test_asking_for_what_is_not_there_takes_no_room(make):
    manager = make(max_sessions=2)
    await manager.add_turn_to_session("a", "?", "!")
    for n in range(10):
        assert await manager.get(f"none{n}") is None
    assert contents(await manager.get("a")) == ["?", "!"]
    assert manager.get_stats()["active_sessions"] == 1


async def test_starting_twice_and_stopping_twice_is_harmless(conversations):
    await conversations.start()
    await conversations.start()
    running = [task for task in asyncio.all_tasks() if task.get_name() == "conversations"]
    assert len(running) == 1
    await conversations.stop()
    await conversations.stop()
    assert running[0].done()


async def test_a_process_has_one_manager():
    manager = get_session_manager(ConversationConfig(max_sessions=5))
    try:
        assert get_session_manager() is manager
        assert await get_session_manager() is manager
        with pytest.raises(InvalidInput, match="another configuration"):
            get_session_manager(ConversationConfig(max_sessions=6))
    finally:
        await shutdown_session_manager()
    await shutdown_session_manager()
    assert get_session_manager() is not manager
    await shutdown_session_manager()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "conversations"]

"""The stored format in Valkey, which other programs read and write."""

from __future__ import annotations

import asyncio
import json

import pytest

from agent_sessions.conversation import ConversationState, ConversationTurn
from agent_sessions.errors import InvalidInput
from tests.support.keys import CONVERSATION_KEYS
from tests.support.waiting import HANGS

KEY = CONVERSATION_KEYS.text("c")

FOREIGN = {
    "language": "nl",
    "turns": [
        {
            "role": "user", "content": "Musea in Hengelo?", "slots": {"city": "Hengelo"}, "timestamp": 1.5,
            "results": [{"tags": [], "current_slots": {}, "big": 12345678901234567890}],
        },
        {"role": "assistant", "content": "Drie."},
    ],
    "current_template_id": "t",
    "current_slots": {"city": "Hengelo"},
    "session_id": "c",
}  # fmt: skip


async def test_one_key_holds_the_whole_conversation_as_json(conversations_in_valkey, stored):
    await conversations_in_valkey.add_turn_to_session("c", "?", "!", slots={"a": 'b "/ü🙂'})
    await conversations_in_valkey.add_turn_to_session("c", "?", "!", results=[{"x": [], "y": {}}])
    state = await conversations_in_valkey.get("c")
    assert json.loads(stored.get(KEY)) == state.to_dict()


async def test_it_expires_after_the_time_to_live(conversations_in_valkey, stored):
    await conversations_in_valkey.add_turn_to_session("c", "?", "!")
    assert 1795 < stored.ttl(KEY) <= 1800
    assert 1795 < stored.ttl(f"{KEY}#about") <= 1800


@pytest.mark.parametrize("verb", ["get", "get_or_create", "update", "add"])
async def test_reads_and_writes_keep_the_stored_one_alive(conversations_in_valkey, stored, verb):
    manager = conversations_in_valkey
    await manager.add_turn_to_session("c", "?", "!")
    state = await manager.get("c")
    for key in (KEY, f"{KEY}#about"):
        stored.expire(key, 5)
    match verb:
        case "update":
            await manager.update("c", state)
        case "add":
            await manager.add_turn_to_session("c", "?", "!")
        case _:
            await getattr(manager, verb)("c")
    assert stored.ttl(KEY) > 1795
    assert stored.ttl(f"{KEY}#about") > 1795


async def test_an_onlooker_does_not_prolong_it(conversations_in_valkey, stored):
    await conversations_in_valkey.add_turn_to_session("c", "?", "!")
    stored.expire(KEY, 5)
    assert await conversations_in_valkey.peek("c")
    await conversations_in_valkey.list_conversations()
    assert stored.ttl(KEY) <= 5


async def test_what_expired_in_valkey_is_gone_here_too(conversations_in_valkey, stored):
    await conversations_in_valkey.add_turn_to_session("c", "old", "!", slots={"a": "1"})
    stored.delete(KEY)
    assert await conversations_in_valkey.get("c") is None
    assert conversations_in_valkey.get_stats()["sessions_expired"] == 1
    await conversations_in_valkey.add_turn_to_session("c", "new", "!")
    state = await conversations_in_valkey.get("c")
    assert [turn.content for turn in state.turns] == ["new", "!"]
    assert state.current_slots == {}


@pytest.mark.parametrize("order", ["as it came", "turns first", "ours, with spaces"])
async def test_what_another_program_wrote_is_read_and_added_to(
    conversations_in_valkey, stored, order
):
    text = dict(FOREIGN)
    if order != "as it came":
        text = {"turns": FOREIGN["turns"], **FOREIGN}
    if order == "ours, with spaces":
        text = ConversationState.from_dict(FOREIGN).to_dict()
    stored.set(KEY, json.dumps(text), ex=60)
    await conversations_in_valkey.add_turn_to_session(
        "c", "En in Ulft?", "Een.", slots={"city": "Ulft"}
    )
    state = await conversations_in_valkey.get("c")
    before = ConversationState.from_dict(FOREIGN)
    assert state.turns[:2] == before.turns
    assert [turn.content for turn in state.turns[2:]] == ["En in Ulft?", "Een."]
    assert state.current_slots == {"city": "Ulft"}
    assert state.current_template_id == "t"
    assert json.loads(stored.get(KEY)) == state.to_dict()


async def test_what_another_program_overwrote_is_noticed(conversations_in_valkey, stored):
    await conversations_in_valkey.add_turn_to_session("c", "?", "!")
    stored.set(KEY, json.dumps(FOREIGN), ex=60)
    assert await conversations_in_valkey.get("c") == ConversationState.from_dict(FOREIGN)
    assert (await conversations_in_valkey.list_conversations()).items[0].turns == 2
    await conversations_in_valkey.add_turn_to_session("c", "?", "!")
    assert (await conversations_in_valkey.list_conversations()).items[0].turns == 4


async def test_what_another_program_wrote_in_exactly_our_order_is_counted_anew(
    conversations_in_valkey, stored
):
    await conversations_in_valkey.add_turn_to_session("c", "?", "!")
    theirs = json.loads(stored.get(KEY))
    theirs["turns"] = theirs["turns"][:1] * 7
    stored.set(KEY, json.dumps(theirs, separators=(",", ":")))
    await conversations_in_valkey.add_turn_to_session("c", "?", "!")
    assert (await conversations_in_valkey.list_conversations()).items[0].turns == 9
    assert len((await conversations_in_valkey.get("c")).turns) == 9


async def test_a_shorter_head_leaves_no_rubbish_behind(conversations_in_valkey, stored):
    manager = conversations_in_valkey
    await manager.add_turn_to_session("c", "?", "!", slots={"long": "x" * 900})
    state = await manager.get("c")
    del state.current_slots["long"]
    state.add_turn(ConversationTurn("user", "short"))
    await manager.update("c", state)
    await manager.add_turn_to_session("c", "next", "!", slots={"a": "1"})
    state = ConversationState.from_dict(json.loads(stored.get(KEY)))
    assert [turn.content for turn in state.turns] == ["?", "!", "short", "next", "!"]
    assert state.current_slots == {"a": "1"}


async def test_words_that_look_like_the_format_are_only_words(conversations_in_valkey, stored):
    trap = '],"current_slots":{},"current_template_id":null,"language":"nl"}'
    for _ in range(3):
        await conversations_in_valkey.add_turn_to_session(
            "c", trap, trap, template_id=trap, slots={trap: trap},
            results=[{"turns": [1], "current_slots": {"a": trap}, "language": "x"}],
        )  # fmt: skip
    stored_state = ConversationState.from_dict(json.loads(stored.get(KEY)))
    assert [turn.content for turn in stored_state.turns] == [trap] * 6
    assert stored_state.current_slots == {trap: trap}


@pytest.mark.parametrize("rubbish", ["", "no json", "[]", '{"turns": 5}', "\x00", '{"turns":[]'])
async def test_rubbish_under_the_key_is_said_to_be_rubbish_and_left_alone(
    conversations_in_valkey, stored, rubbish
):
    stored.set(KEY, rubbish or " ")
    with pytest.raises(InvalidInput, match="no conversation"):
        await conversations_in_valkey.get("c")
    with pytest.raises(InvalidInput, match="no conversation"):
        await conversations_in_valkey.add_turn_to_session("c", "?", "!")
    assert stored.get(KEY) == (rubbish or " ")
    await conversations_in_valkey.add_turn_to_session("other", "?", "!")


async def test_a_key_of_another_kind_is_said_to_be_one(conversations_in_valkey, stored):
    stored.rpush(KEY, "x")
    with pytest.raises(InvalidInput, match="no conversation"):
        await conversations_in_valkey.add_turn_to_session("c", "?", "!")
    with pytest.raises(InvalidInput, match="no conversation"):
        await conversations_in_valkey.get("c")
    assert conversations_in_valkey.get_stats()["redis_available"] is True


async def test_two_managers_see_each_others_turns(make, valkey_url):
    one, two = make(valkey_url), make(valkey_url)
    await one.add_turn_to_session("c", "one", "1")
    assert len((await two.get("c")).turns) == 2
    await two.add_turn_to_session("c", "two", "2")
    assert [turn.content for turn in (await one.get("c")).turns] == ["one", "1", "two", "2"]
    await one.delete("c")
    assert await two.get("c") is None


async def test_two_that_create_the_same_conversation_share_it(make, valkey_url):
    managers = [make(valkey_url) for _ in range(5)]
    await asyncio.gather(*(manager.get_or_create("c") for manager in managers))
    await asyncio.gather(*(manager.add_turn_to_session("c", "?", "!") for manager in managers))
    assert len((await managers[0].get("c")).turns) == 10
    assert sum(manager.get_stats()["sessions_created"] for manager in managers) == 1


async def test_each_change_is_announced(conversations_in_valkey, redis_client):
    manager = conversations_in_valkey
    async with redis_client.pubsub() as heard:
        await heard.subscribe(manager.changes_channel)
        await heard.get_message(timeout=HANGS)
        await manager.add_turn_to_session("c", "?", "!")
        await manager.get("c")
        await manager.add_turn_to_session("c", "?", "!")
        await manager.delete("c")
        news = [json.loads((await heard.get_message(timeout=HANGS))["data"]) for _ in range(3)]
    assert [message["id"] for message in news] == ["c", "c", "c"]
    assert news[1]["version"] == news[0]["version"] + 1
    assert news[2]["version"] == 0


async def test_another_prefix_holds_other_conversations(make, valkey_url):
    one, two = make(valkey_url), make(valkey_url, valkey_prefix="{tests}:")
    await one.add_turn_to_session("c", "?", "!")
    assert await two.get("c") is None
    assert (await two.list_conversations()).items == []


async def test_adding_to_a_long_conversation_costs_what_adding_to_a_short_one_does(
    conversations_in_valkey, stored
):
    """Measures time inside Valkey, which does not depend on the machine's load."""
    state = ConversationState([ConversationTurn("user", "x" * 1000) for _ in range(4000)])
    await conversations_in_valkey.update("long", state)
    await conversations_in_valkey.get_or_create("short")

    async def spent(name: str) -> float:
        stored.config_resetstat()
        for _ in range(50):
            await conversations_in_valkey.add_turn_to_session(name, "?", "!")
        return float(stored.info("commandstats")["cmdstat_evalsha"]["usec_per_call"])

    short, long = await spent("short"), await spent("long")
    assert long < 5 * short + 100

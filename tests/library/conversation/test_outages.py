"""Outages of Valkey, with real servers that are killed and restarted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import redis

from agent_sessions.conversation import (
    ConversationConfig,
    ConversationManager,
    ConversationState,
    ConversationTurn,
)
from agent_sessions.errors import StorageUnavailable
from tests.support.keys import CONVERSATION_KEYS
from tests.support.waiting import HANGS


class LosesAnswers:
    """A proxy that can lose answers after the server has received the command."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.losing = False
        self.url = ""

    @classmethod
    @contextlib.asynccontextmanager
    async def before(cls, target: int) -> AsyncIterator[LosesAnswers]:
        wire = cls(target)
        server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
        wire.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield wire
        server.close()

    async def carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, there = await asyncio.open_connection("127.0.0.1", self.target)
        with contextlib.closing(back), contextlib.closing(there):
            while question := await near.read(1 << 20):
                there.write(question)
                answer = await far.read(1 << 20)
                if self.losing:
                    return
                back.write(answer)


def contents(state: ConversationState | None) -> list[str]:
    assert state is not None
    return [turn.content for turn in state.turns]


async def test_valkey_that_is_away_at_the_start_is_tried_again(make, fragile, clock):
    manager = make(fragile.url)
    await manager.start()
    await manager.add_turn_to_session("c", "early", "!")
    assert manager.get_stats()["redis_available"] is False
    fragile.start()
    clock.pass_by(60)
    await manager.tick()
    assert manager.get_stats()["redis_available"] is True
    assert manager.get_stats()["sessions_waiting"] == 0
    assert contents(await make(fragile.url).get("c")) == ["early", "!"]


async def test_a_call_tries_it_again_as_well(make, fragile, clock):
    manager = make(fragile.url)
    await manager.add_turn_to_session("c", "early", "!")
    fragile.start()
    clock.pass_by(60)
    assert contents(await manager.get("c")) == ["early", "!"]
    assert manager.get_stats()["redis_available"] is True


async def test_the_attempts_become_rarer_and_never_stop(make, fragile, clock):
    manager = make(fragile.url)
    waits = []
    for _ in range(12):
        await manager.tick()
        waits.append(manager._store.retry_at - clock())
        clock.pass_by(waits[-1])
    assert waits[0] <= 0.5
    assert 15 <= waits[-1] <= 30


async def test_before_an_attempt_is_due_nothing_waits_for_valkey(make, fragile, clock):
    manager = make(fragile.url)
    await manager.get("c")
    fragile.start()
    await manager.add_turn_to_session("c", "?", "!")
    assert manager.get_stats()["redis_available"] is False


async def test_turns_of_an_outage_are_kept_and_sent_once_each_and_in_order(make, fragile, clock):
    fragile.start()
    manager = make(fragile.url)
    await manager.add_turn_to_session("c", "before", "!", slots={"a": "1"})
    fragile.stop()
    await asyncio.gather(*(manager.add_turn_to_session("c", f"q{n}", f"a{n}") for n in range(20)))
    await manager.add_turn_to_session("c", "last", "!", slots={"b": "2"})
    expected = ["before", "!", *(f"{k}{n}" for n in range(20) for k in "qa"), "last", "!"]
    assert contents(await manager.get("c")) == expected
    assert manager.get_stats()["redis_available"] is False
    assert manager.get_stats()["sessions_waiting"] == 1

    fragile.start()  # it has lost its data
    clock.pass_by(60)
    await manager.tick()
    state = await make(fragile.url).get("c")
    assert contents(state) == expected
    assert state.current_slots == {"a": "1", "b": "2"}
    assert manager.get_stats()["sessions_waiting"] == 0


async def test_readers_writers_and_the_tick_may_all_find_it_back_at_once(make, fragile, clock):
    manager = make(fragile.url)
    for n in range(450):
        await manager.add_turn_to_session("c", f"q{n}", f"a{n}")
    fragile.start()
    clock.pass_by(60)
    await asyncio.gather(
        *(manager.get("c") for _ in range(5)),
        manager.tick(),
        *(manager.add_turn_to_session("c", f"q{n}", f"a{n}") for n in range(450, 500)),
        *(manager.get("c") for _ in range(5)),
    )
    expected = [f"{kind}{n}" for n in range(500) for kind in "qa"]
    assert contents(await manager.get("c")) == expected
    assert contents(await make(fragile.url).get("c")) == expected


async def test_a_server_that_lost_its_data_unnoticed_gets_it_back(make, fragile):
    fragile.start()
    manager = make(fragile.url)
    await manager.add_turn_to_session("c", "before", "!")
    with fragile.client() as client:
        client.flushall()
    assert contents(await manager.get("c")) == ["before", "!"]
    await manager.add_turn_to_session("c", "after", "!")
    assert contents(await make(fragile.url).get("c")) == ["before", "!", "after", "!"]


async def test_a_conversation_that_cannot_be_restored_does_not_block_the_others(
    make, fragile, clock, caplog
):
    fragile.start()
    manager = make(fragile.url)
    for name in "abc":
        await manager.add_turn_to_session(name, "1", "!")
    fragile.stop()
    for name in "abc":
        await manager.add_turn_to_session(name, "2", "!")
    fragile.start()
    with fragile.client() as client:
        client.set(CONVERSATION_KEYS.text("a"), "rubbish")
    clock.pass_by(60)
    await manager.tick()
    assert manager.get_stats()["sessions_waiting"] == 0
    assert manager.get_stats()["writes_refused"] == 1
    assert "a cannot be given back" in caplog.text
    for name in "bc":
        assert contents(await make(fragile.url).get(name)) == ["1", "!", "2", "!"]


async def test_two_processes_restore_what_each_has_cached(make, fragile, clock):
    fragile.start()
    one, two = make(fragile.url), make(fragile.url)
    await one.add_turn_to_session("c", "1", "!")
    await two.get("c")
    await two.add_turn_to_session("c", "2", "!")
    fragile.stop()
    await one.add_turn_to_session("c", "3", "!")
    await two.add_turn_to_session("c", "4", "!")
    fragile.start()
    clock.pass_by(60)
    await one.tick()
    await two.tick()
    assert sorted(contents(await one.get("c"))) == sorted(["1", "!", "2", "!", "3", "!", "4", "!"])
    assert await one.get("c") == await two.get("c")


async def test_a_server_restored_from_an_older_copy_gets_what_it_lacks(make, fragile):
    fragile.start()
    manager = make(fragile.url)
    await manager.add_turn_to_session("c", "1", "!")
    keys = (CONVERSATION_KEYS.text("c"), CONVERSATION_KEYS.about("c"))
    with redis.Redis(port=fragile.port, db=1) as client:
        copies = {key: client.dump(key) for key in keys}
        await manager.add_turn_to_session("c", "2", "!")
        for key, copy in copies.items():
            client.restore(key, 60_000, copy, replace=True)
    assert contents(await manager.get("c")) == ["1", "!", "2", "!"]
    with redis.Redis(port=fragile.port, db=1) as client:
        for key, copy in copies.items():
            client.restore(key, 60_000, copy, replace=True)
    await manager.add_turn_to_session("c", "3", "!")
    assert contents(await make(fragile.url).get("c")) == ["1", "!", "2", "!", "3", "!"]


async def test_a_deleted_conversation_is_not_given_back_by_who_remembers_it(make, valkey_url):
    one, two = make(valkey_url), make(valkey_url)
    await one.add_turn_to_session("c", "secret", "!")
    await two.get("c")
    await one.delete("c")
    await two.tick()
    assert await two.get("c") is None
    await two.add_turn_to_session("c", "new", "!")
    assert contents(await one.get("c")) == ["new", "!"]


async def test_rewrites_and_deletions_during_an_outage_raise(make, fragile):
    fragile.start()
    manager = make(fragile.url)
    await manager.add_turn_to_session("c", "?", "!")
    state = await manager.get("c")
    fragile.stop()
    state.turns.clear()
    with pytest.raises(StorageUnavailable, match="not stored"):
        await manager.update("c", state)
    with pytest.raises(StorageUnavailable, match="not deleted"):
        await manager.delete("c")


async def test_an_update_that_only_adds_is_kept_through_an_outage(make, fragile, clock):
    fragile.start()
    manager = make(fragile.url)
    session_id, state = await manager.get_or_create()
    fragile.stop()
    for n in range(3):
        state.add_turn(ConversationTurn("user", str(n)))
        await manager.update(session_id, state)
    fragile.start()
    clock.pass_by(60)
    assert contents(await manager.get(session_id)) == ["0", "1", "2"]


async def test_conversations_that_wait_for_valkey_are_never_evicted(make, fragile):
    manager = make(fragile.url, max_sessions=3)
    for name in "abc":
        await manager.add_turn_to_session(name, "?", "!")
    with pytest.raises(StorageUnavailable, match="3 conversations wait"):
        await manager.add_turn_to_session("d", "?", "!")
    await manager.add_turn_to_session("a", "?", "!")
    assert len((await manager.get("a")).turns) == 4


async def test_during_an_outage_the_list_says_that_it_is_not_complete(make, fragile):
    fragile.start()
    manager = make(fragile.url)
    await manager.add_turn_to_session("c", "Museums?", "!")
    assert (await manager.list_conversations()).complete is True
    fragile.stop()
    page = await manager.list_conversations()
    assert page.complete is False
    assert [(item.id, item.last_question) for item in page.items] == [("c", "Museums?")]


async def test_a_server_that_may_not_write_counts_as_away(make, fragile, clock):
    fragile.start()
    manager = make(fragile.url)
    await manager.add_turn_to_session("c", "1", "!")
    with fragile.client() as client:
        client.replicaof("127.0.0.1", 1)
        await manager.add_turn_to_session("c", "2", "!")
        assert manager.get_stats()["redis_available"] is False
        client.replicaof("no", "one")
    clock.pass_by(60)
    assert contents(await manager.get("c")) == ["1", "!", "2", "!"]


REFUSALS: dict[str, tuple[list[tuple[str, ...]], list[tuple[str, ...]]]] = {
    "MASTERDOWN": (
        [("CONFIG", "SET", "replica-serve-stale-data", "no"), ("REPLICAOF", "127.0.0.1", "1")],
        [("REPLICAOF", "NO", "ONE")],
    ),
    "OOM": (
        [("CONFIG", "SET", "maxmemory", "1")],
        [("CONFIG", "SET", "maxmemory", "0")],
    ),
    "NOREPLICAS": (
        [("CONFIG", "SET", "min-replicas-to-write", "1")],
        [("CONFIG", "SET", "min-replicas-to-write", "0")],
    ),
    "NOPERM": (
        [("ACL", "SETUSER", "default", "-@write", "-@scripting")],
        [("ACL", "SETUSER", "default", "+@all")],
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_turns_that_a_refusing_server_does_not_take_are_kept_and_sent_later_in_order(
    make, fragile, clock, refusal
):
    begin, end = REFUSALS[refusal]
    fragile.start()
    manager = make(fragile.url)
    await manager.add_turn_to_session("c", "1", "!")
    with fragile.client() as client:
        for command in begin:
            client.execute_command(*command)
        await manager.add_turn_to_session("c", "2", "!")
        await manager.add_turn_to_session("c", "3", "!")
        assert manager.get_stats()["redis_available"] is False
        assert contents(await manager.get("c")) == ["1", "!", "2", "!", "3", "!"]
        assert (await manager.list_conversations()).complete is False
        for command in end:
            client.execute_command(*command)
    clock.pass_by(60)
    await manager.tick()
    assert contents(await make(fragile.url).get("c")) == ["1", "!", "2", "!", "3", "!"]


async def test_a_server_that_hangs_is_not_waited_for_without_end(make, fragile):
    fragile.start()
    manager = make(fragile.url, valkey_timeout_seconds=0.2)
    await manager.add_turn_to_session("c", "1", "!")
    with fragile.client() as client:
        client.client_pause(3_600_000)  # longer than any test waits
    await asyncio.wait_for(manager.add_turn_to_session("c", "2", "!"), HANGS)
    assert manager.get_stats()["redis_available"] is False
    assert contents(await manager.get("c")) == ["1", "!", "2", "!"]


async def test_an_answer_that_was_lost_does_not_store_a_turn_twice(make, fragile, clock):
    fragile.start()
    async with LosesAnswers.before(fragile.port) as wire:
        manager = make(wire.url)
        await manager.add_turn_to_session("c", "1", "!")
        wire.losing = True
        await manager.add_turn_to_session("c", "2", "!")
        assert len((await make(fragile.url).get("c")).turns) == 4, "the write did arrive"
        assert manager.get_stats()["redis_available"] is False
        wire.losing = False
        clock.pass_by(60)
        await manager.add_turn_to_session("c", "3", "!")
        assert contents(await manager.get("c")) == ["1", "!", "2", "!", "3", "!"]


async def test_a_rewrite_whose_answer_was_lost_can_be_repeated(make, fragile, clock):
    fragile.start()
    async with LosesAnswers.before(fragile.port) as wire:
        manager = make(wire.url)
        await manager.update("c", ConversationState())  # loads the script into the server
        await manager.add_turn_to_session("c", "1", "!")
        state = await manager.get("c")
        state.turns[0].content = "one"
        wire.losing = True
        with pytest.raises(StorageUnavailable):
            await manager.update("c", state)
        assert contents(await make(fragile.url).get("c")) == ["one", "!"], "the write did arrive"
        wire.losing = False
        clock.pass_by(60)
        await manager.update("c", state)
        assert contents(await manager.get("c")) == ["one", "!"]


async def test_a_call_that_is_cancelled_keeps_its_turns_whole_and_in_order(make, fragile, clock):
    fragile.start()
    manager = make(fragile.url)
    await manager.add_turn_to_session("c", "1", "!")
    with fragile.client() as client:
        client.client_pause(300)
        call = asyncio.create_task(manager.add_turn_to_session("c", "2", "!"))
        await asyncio.sleep(0.05)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    await manager.add_turn_to_session("c", "3", "!")
    assert contents(await manager.get("c")) == ["1", "!", "2", "!", "3", "!"]


@pytest.mark.parametrize("found_by", ["the loop", "a call for another conversation"])
async def test_the_loop_sends_what_waits_without_being_asked(fragile, found_by):
    """The only test in real time, because the loop is the manager's own and not called by the test."""
    config = ConversationConfig(
        valkey_url=fragile.url, retry_first_seconds=0.02, retry_longest_seconds=0.05
    )
    async with ConversationManager(config) as manager:
        await manager.add_turn_to_session("c", "?", "!")
        fragile.start()
        async with asyncio.timeout(HANGS):
            while found_by != "the loop" and not manager.get_stats()["redis_available"]:
                await manager.get("other")
            while manager.get_stats()["sessions_waiting"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        with fragile.client() as client:
            assert client.exists(CONVERSATION_KEYS.text("c"))


async def test_stopping_sends_what_waits_even_before_the_next_attempt_is_due(make, fragile):
    manager = make(fragile.url)
    await manager.add_turn_to_session("c", "?", "!")
    fragile.start()
    await manager.stop()
    assert contents(await make(fragile.url).get("c")) == ["?", "!"]


async def test_stopping_logs_what_was_never_stored_in_valkey(make, fragile, caplog):
    manager = make(fragile.url)
    await manager.add_turn_to_session("c", "?", "!")
    await manager.stop()
    assert "1 conversations hold turns that Valkey never got" in caplog.text

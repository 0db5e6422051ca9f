"""Faults of the former system with conversations, which must not return."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from itertools import pairwise

import pytest

from agent_sessions.conversation import ConversationManager
from agent_sessions.conversation.local_cache import LocalConversations

ROUNDS = 1000


def test_two_processes_that_add_turns_at_once_lose_none(valkey_url, stored, make):
    """Two real processes, a thousand questions and answers each, one conversation."""
    command = [sys.executable, "-m", "tests.library.conversation.writer", valkey_url]
    writers = [
        subprocess.Popen(
            [*command, name, str(ROUNDS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("anna", "ben")
    ]
    for writer in writers:
        assert writer.stdout and writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate()[0] or writer.returncode for writer in writers] == [0, 0]

    state = asyncio.run(_read(valkey_url))
    assert len(state.turns) == 4 * ROUNDS
    questions = [turn.content for turn in state.turns[::2]]
    assert [turn.content for turn in state.turns[1::2]] == [f"answer to {q}" for q in questions]
    for name in ("anna", "ben"):
        own = [question for question in questions if question.startswith(name)]
        assert own == [f"{name} {n}" for n in range(ROUNDS)]
    assert any(a[:3] != b[:3] for a, b in pairwise(questions)), "they did not write at once"


async def _read(url: str):
    from agent_sessions.conversation import ConversationConfig

    async with ConversationManager(ConversationConfig(valkey_url=url)) as manager:
        return await manager.get("shared")


async def test_two_calls_at_once_in_one_process_lose_none(conversations):
    await asyncio.gather(
        conversations.add_turn_to_session("c", "one", "1"),
        conversations.add_turn_to_session("c", "two", "2"),
    )
    assert len((await conversations.get("c")).turns) == 4


def test_recency_costs_the_same_however_many_there_are():
    """Counts interpreter steps, which do not depend on the machine's load."""

    def steps(count: int) -> int:
        local = LocalConversations(count)
        for n in range(count):
            local.open(str(n), n)
        taken = 0

        def count_step(frame, event, argument):
            nonlocal taken
            taken += 1
            return count_step

        sys.settrace(count_step)
        try:
            for name in ("0", str(count // 2)):
                entry = local.find(name)
                assert entry
                local.touch(entry, count)
            local.open("one more", count)
        finally:
            sys.settrace(None)
        return taken

    assert steps(20) == steps(20_000)


async def test_valkey_that_fails_at_the_start_is_tried_again(make, fragile, clock):
    manager = make(fragile.url)
    await manager.start()
    assert manager.get_stats()["redis_available"] is False
    fragile.start()
    clock.pass_by(1)
    await manager.tick()
    assert manager.get_stats()["redis_available"] is True


async def test_what_get_returns_is_not_the_cached_object(conversations):
    await conversations.add_turn_to_session("c", "?", "!")
    first, second = await conversations.get("c"), await conversations.get("c")
    assert first is not second
    assert first.turns[0] is not second.turns[0]
    first.turns.clear()
    assert len((await conversations.get("c")).turns) == 2


@pytest.mark.parametrize("verb", ["get_or_create", "peek"])
async def test_no_other_read_returns_the_cached_object(conversations, verb):
    await conversations.add_turn_to_session("c", "?", "!")
    given = await getattr(conversations, verb)("c")
    (given[1] if verb == "get_or_create" else given).turns.clear()
    assert len((await conversations.get("c")).turns) == 2

"""Foreign values under the library's keys in Valkey raise the library's errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import redis.asyncio

from agent_sessions import InvalidInput, SessionError, SessionManager
from agent_sessions.conversation import ConversationConfig, ConversationManager
from agent_sessions.keys import CONVERSATIONS
from tests.library.conftest import Make
from tests.library.own_valkey import OwnValkey
from tests.support.keys import KEYS

PREFIX = CONVERSATIONS
CALLS: dict[str, Callable[[ConversationManager], Awaitable[Any]]] = {
    "stamps": lambda talks: talks.stamps(["talk"]),
    "get": lambda talks: talks.get("talk"),
    "add_turn_to_session": lambda talks: talks.add_turn_to_session("talk", "and?", "so"),
    "list_conversations": lambda talks: talks.list_conversations(),
    "delete": lambda talks: talks.delete("talk"),
}


@pytest.fixture
async def own_valkey() -> AsyncIterator[OwnValkey]:
    valkey = OwnValkey()
    await valkey.start()
    yield valkey
    valkey.remove()


@pytest.mark.parametrize("version", [b"\xff", b"abc", b"-1", b"9" * 30])
@pytest.mark.parametrize("name", CALLS)
async def test_a_conversation_whose_version_is_no_number_raises_the_library_s_errors(
    own_valkey: OwnValkey, name: str, version: bytes
) -> None:
    config = ConversationConfig(valkey_url=own_valkey.url)
    async with ConversationManager(config) as talks:
        await talks.add_turn_to_session("talk", "why?", "because")
        async with redis.asyncio.Redis.from_url(f"{own_valkey.url}?db=1") as client:
            await client.hset(f"{PREFIX}talk#about", "version", version)
        with suppress(SessionError):
            await CALLS[name](talks)


async def test_conversations_begin_and_end_beside_a_key_that_is_none_of_theirs(
    own_valkey: OwnValkey,
) -> None:
    async with redis.asyncio.Redis.from_url(f"{own_valkey.url}?db=1") as client:
        await client.sadd(f"{PREFIX}store", "x")
    async with ConversationManager(ConversationConfig(valkey_url=own_valkey.url)) as talks:
        assert not talks.get_stats()["redis_available"]


@pytest.mark.parametrize(
    "record", [5, "x", {"checkpoints": [1]}, {"past_contexts": []}, {"history": 3}]
)
async def test_a_session_alone_in_valkey_whose_record_is_none_raises_the_library_s_errors(
    another: Make, valkey: redis.asyncio.Redis, record: Any
) -> None:
    manager = await another(database=False)
    session = await manager.create_session("grader")
    stored = json.dumps(session.to_dict() | {"record": record})
    await valkey.set(KEYS.copy(session.session_id), stored)
    for call in (manager.read, manager.get_checkpoints, manager.heartbeat):
        with suppress(SessionError):
            await call(session.session_id)


async def test_listing_sessions_under_a_key_of_another_type_raises_the_library_s_errors(
    another: Make, valkey: redis.asyncio.Redis
) -> None:
    manager = await another(database=False)
    await valkey.set(KEYS.sessions, "x")
    with pytest.raises(SessionError):
        await manager.get_active_sessions()
    with pytest.raises(SessionError):
        await manager.cleanup_stale_sessions(timedelta(hours=1))


async def test_an_address_of_valkey_that_is_none_is_said(database_url: str) -> None:
    with pytest.raises(InvalidInput, match="Valkey's address"):
        await SessionManager.connect(database_url, "nonsense")

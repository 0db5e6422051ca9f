"""Which servers are accepted: Valkey 7.2 and newer, Redis 7 and newer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio

from agent_sessions import SessionManager, StorageMisconfigured
from agent_sessions.valkey_client import check_server
from tests.library.conftest import Make

TOO_OLD = [("redis", "6.2.14"), ("redis", "5.0.7"), ("valkey", "7.1.0")]
NEW_ENOUGH = [("redis", "7.0.0"), ("redis", "10.1.0"), ("valkey", "7.2.5"), ("valkey", "9.1.2")]


@pytest.fixture
async def old_redis(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a server that answers HELLO like Redis 6.2."""
    facts = {"server": "redis", "version": "6.2.14", "proto": "2", "mode": "standalone"}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while words := await _command(reader):
            if words == [b"HELLO"]:
                pairs = [word for pair in facts.items() for word in pair]
                writer.write(f"*{len(pairs)}\r\n".encode())
                writer.writelines(f"${len(w)}\r\n{w}\r\n".encode() for w in pairs)
            elif words[0] == b"HELLO":
                writer.write(b"-NOPROTO unsupported protocol version\r\n")
            else:
                writer.write(b"+OK\r\n")
        writer.close()

    path = tmp_path / "old"
    async with await asyncio.start_unix_server(serve, path):
        yield f"unix://{path}?protocol=2"


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    head = await reader.readline()
    words = []
    for _ in range(int(head[1:] or 0)):
        size = int((await reader.readline())[1:])
        words.append((await reader.readexactly(size + 2))[:-2])
    return words


async def test_an_older_server_is_refused_at_connect_with_what_is_needed(old_redis: str) -> None:
    with pytest.raises(StorageMisconfigured, match=r"Redis 6\.2\.14 is too old: Valkey 7\.2"):
        await SessionManager.connect(None, old_redis)


@pytest.mark.parametrize(("server", "version"), TOO_OLD)
def test_what_is_too_old_is_refused(server: str, version: str) -> None:
    with pytest.raises(StorageMisconfigured, match=version):
        check_server({"server": server, "version": version})


@pytest.mark.parametrize(("server", "version"), [*NEW_ENOUGH, ("kvrocks", "2.9"), ("redis", "")])
def test_what_is_new_enough_or_does_not_say_is_accepted(server: str, version: str) -> None:
    check_server({"server": server, "version": version})


async def test_a_user_who_may_not_ask_for_info_connects_all_the_same(
    another: Make, redis_client: redis.asyncio.Redis, valkey_url: str
) -> None:
    await redis_client.acl_setuser(
        "plain", enabled=True, nopass=True, keys=["*"], channels=["*"], categories=["+@all"],
        commands=["-info", "-hello", "-cluster"],
    )  # fmt: skip
    try:
        url = valkey_url.replace("unix://", "unix://plain:x@", 1)
        manager = await another(database=False, valkey_url=url)
        session = await manager.create_session("grader")
        assert await manager.get_session(session.session_id) is not None
    finally:
        await redis_client.acl_deluser("plain")

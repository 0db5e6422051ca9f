"""Conversations in Valkey, one script for each operation, and the state of the connection."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import redis.exceptions as refusals
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from agent_sessions.backoff import Backoff
from agent_sessions.basic_errors import InvalidInput, StorageUnavailable
from agent_sessions.conversation.config import ConversationConfig
from agent_sessions.conversation.scripts import script
from agent_sessions.conversation.snapshot import Addition, Snapshot, dumps, last_question
from agent_sessions.keys import ConversationKeys
from agent_sessions.tasks import cancellable
from agent_sessions.valkey_client import AWAY, cluster_url

logger = logging.getLogger(__name__)

# Redis 6 puts these codes into the text of a script's error. Otherwise the code comes first, or redis-py has a class.
CANNOT_WRITE = (
    "READONLY",
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    "MASTERDOWN",
    "LOADING",
    "BUSY",
    "NOPERM",
)
NOTHING_STORED = "0:0"
MAX_CONNECTIONS = 16


class Unreachable(Exception):
    """Valkey does not answer, or cannot write at present."""


class DataLost(Exception):
    """Valkey lost its data since the last call."""


@dataclass(frozen=True)
class StoredConversation:
    found: bool
    stamp: str = ""
    text: str | None = None
    """None if the reader's version is current."""


@dataclass(frozen=True)
class Appended:
    before: str
    after: str


class ConversationStore:
    def __init__(self, url: str, config: ConversationConfig, clock: Callable[[], float]) -> None:
        self._config = config
        self._clock = clock
        self._writer = uuid.uuid4().hex
        self._url = url
        self._client: Any = None
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)
        self._keys = ConversationKeys(config.valkey_prefix)
        self._connecting = asyncio.Lock()
        self._name = ""
        self._backoff = Backoff(config.retry_first_seconds, config.retry_longest_seconds)
        self.retry_at = 0.0
        self.available = False
        self.generation = 0
        """Increases each time Valkey turns out to hold another data set."""
        self.went_away = asyncio.Event()

    @property
    def channel(self) -> str:
        return self._keys.changes

    async def connect(self) -> None:
        """Raises Unreachable, immediately while the next attempt is not due."""
        if not self.available:
            async with self._connecting:
                await self._connect_unless_another_did()

    async def _connect_unless_another_did(self) -> None:
        if self.available:
            return
        if self._clock() < self.retry_at:
            raise Unreachable("the next attempt is not due yet")
        name = await self._ask_name(await self._opened())
        if name != self._name:
            self.generation += 1
        self._name, self.available = name, True
        self._backoff.reset()

    async def close(self) -> None:
        self.available = False
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _opened(self) -> Any:
        """The client. Raises Unreachable as long as it is unknown whether the server is a node of a cluster."""
        if self._client is None:
            try:
                found = await cluster_url(self._url, **_timeouts(self._config))
            except AWAY as error:
                raise self._judge(error, "") from error
            self._client = (
                _client(self._url, self._config) if found is None else _cluster(found, self._config)
            )
            self._keys = ConversationKeys(self._config.valkey_prefix, cluster=found is not None)
        return self._client

    async def read(self, conversation_id: str, stamp: str, *, keep: bool) -> StoredConversation:
        reply = await self._run("read", conversation_id, stamp, int(keep))
        match reply[0]:
            case "missing":
                return StoredConversation(found=False)
            case "same":
                return StoredConversation(found=True, stamp=stamp)
            case _:
                return StoredConversation(found=True, stamp=reply[1], text=reply[2])

    async def append(
        self, conversation_id: str, additions: Sequence[Addition], language: str
    ) -> Appended | None:
        """None if the stored text has another order of fields. Raises InvalidInput if it would get too long."""
        arguments: list[str | int] = [self._writer, self._config.max_bytes, language]
        for addition in additions:
            arguments += [
                addition.number, ",".join(addition.turns), len(addition.turns), dumps(addition.slots),
                addition.template_id or "", addition.language or "", addition.question or "",
            ]  # fmt: skip
        reply = await self._run("append", conversation_id, *arguments)
        if reply[0] == "full":
            raise full(conversation_id, self._config)
        return None if reply[0] == "foreign" else Appended(reply[1], reply[2])

    async def replace(self, conversation_id: str, snapshot: Snapshot, expected: str) -> str | None:
        """The new stamp; None if the stored version is not the `expected` one ("" for any)."""
        text = snapshot.to_text()
        check_size(conversation_id, text, self._config)
        question = last_question(snapshot.turns) or ""
        reply = await self._run(
            "replace", conversation_id, expected, text, len(snapshot.turns), question, snapshot.language
        )  # fmt: skip
        return str(reply[1]) if reply[0] == "ok" else None

    async def delete(self, conversation_id: str) -> bool:
        return bool((await self._run("delete", conversation_id))[1])

    async def page(self, limit: int, after_at: str, after_id: str) -> tuple[str, list[list[str]]]:
        reply = await self._run("list", "", limit, after_at, after_id, errors="replace")
        return reply[1], reply[2]

    async def how_many(self, conversation_ids: Sequence[str]) -> int:
        """The number of these that are still stored."""
        await self.connect()
        keys = [self._keys.text(name) for name in conversation_ids]
        try:
            return int(await cancellable(self._client.exists(*keys))) if keys else 0
        except AWAY as error:
            raise self._judge(error, "") from error

    async def stamps(self, conversation_ids: Sequence[str]) -> list[str]:
        """The stored version of each, as `read` returns it; NOTHING_STORED where there is none."""
        await self.connect()
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for name in conversation_ids:
                    pipeline.strlen(self._keys.text(name))
                    pipeline.hget(self._keys.about(name), "version")
                found = _decode(await cancellable(pipeline.execute()), "replace")
        except AWAY as error:
            raise self._judge(error, "") from error
        pairs = zip(found[::2], found[1::2], strict=True)
        return [f"{version or 0}:{size}" if size else NOTHING_STORED for size, version in pairs]

    async def trim(self) -> None:
        await self._run("remove_expired", "")

    async def _run(
        self, name: str, conversation_id: str, *arguments: str | int, errors: str = "strict"
    ) -> list[Any]:
        """`errors` is how invalid UTF-8 is decoded, as for `bytes.decode`."""
        await self.connect()
        text = self._keys.text(conversation_id)
        keys = [text, self._keys.about(conversation_id), self._keys.index, self._keys.store]
        ttl = max(1, int(self._config.ttl_seconds * 1000))
        try:
            async with self._turns:
                call = self._client.register_script(script(name))
                values = [self._name, conversation_id, ttl, self.channel, *arguments]
                answer = await cancellable(call(keys, values))
            reply: list[Any] = _decode(answer, errors)
        except UnicodeDecodeError:
            raise InvalidInput(f"what is stored as {text} is no text") from None
        except AWAY as error:
            raise self._judge(error, text) from error
        if reply[0] == "other":
            self.available = False
            raise DataLost
        return reply

    async def _ask_name(self, client: Any) -> str:
        key = self._keys.store
        try:
            await cancellable(client.set(key, uuid.uuid4().hex, nx=True))
            return str(_decode(await cancellable(client.get(key)), "replace"))
        except AWAY as error:
            raise self._judge(error, key) from error

    def _judge(self, error: Exception, key: str) -> Exception:
        """The error to raise: Unreachable if Valkey does not answer or cannot write, otherwise one for the caller."""
        message = str(error)
        if not _is_about_the_server(error):
            if "WRONGTYPE" in message:
                what = f"what is stored as {key}" if key else "what is stored under one of the keys"
                return InvalidInput(f"{what} is no conversation: remove it, or use another prefix")
            return StorageUnavailable(f"Valkey could not do it: {message}")
        self.retry_at = self._clock() + self._backoff.next()
        if self.available or self._backoff.failures == 1:
            logger.warning("Valkey does not answer, conversations are kept in memory: %s", message)
        self.available = False
        self.went_away.set()
        return Unreachable(message)


def _is_about_the_server(error: Exception) -> bool:
    """Whether the server's state is the cause (READONLY, MASTERDOWN, OOM, unknown codes), not this one key."""
    if type(error) is not refusals.ResponseError:
        return True  # a broken connection, or an error code with a class of its own
    message = str(error)
    code = re.match(r"[A-Z]{3,} ", message)
    return any(word in message for word in CANNOT_WRITE) or (
        code is not None and code[0] != "WRONGTYPE "
    )


def check_size(conversation_id: str, text: str, config: ConversationConfig) -> None:
    """Raises InvalidInput if the conversation's text is too long to be stored."""
    if len(text.encode()) > config.max_bytes:
        raise full(conversation_id, config)


def full(conversation_id: str, config: ConversationConfig) -> InvalidInput:
    return InvalidInput(
        f"conversation {conversation_id} is full: {config.max_bytes:,} bytes are allowed"
    )


def _client(url: str, config: ConversationConfig) -> Redis:
    """A client without retries, which would hide that Valkey was unavailable."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=None,
        **_timeouts(config),
    )
    pool.connection_kwargs["db"] = config.valkey_db
    return Redis.from_pool(pool)


def _cluster(url: str, config: ConversationConfig) -> RedisCluster:
    """A cluster has only one database, so `valkey_db` does not apply."""
    return RedisCluster.from_url(url, **_timeouts(config))


def _timeouts(config: ConversationConfig) -> dict[str, Any]:
    seconds = config.valkey_timeout_seconds
    return {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
    }


def _decode(reply: Any, errors: str = "strict") -> Any:
    if isinstance(reply, bytes):
        return reply.decode(errors=errors)
    return [_decode(part, errors) for part in reply] if isinstance(reply, list) else reply

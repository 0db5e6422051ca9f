"""The subscription to changes of single sessions in Valkey, and whether any may have been missed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from redis.asyncio import Redis

from agent_sessions import tasks
from agent_sessions.backoff import Backoff
from agent_sessions.keys import Keys
from agent_sessions.models import Head
from agent_sessions.states import SessionState
from agent_sessions.valkey_client import AWAY, is_cluster, subscription_client

logger = logging.getLogger(__name__)

RECONNECT = (0.05, 2.0)  # seconds between two attempts: the first, the longest
SILENCE = 5.0  # seconds without a message before a ping, and for its answer


class ChangeSubscriber:
    """Subscribes to single sessions over one connection.

    `live` becomes true when every wanted subscription is confirmed, and is true while the connection answers: only then
    is no change missed. `on_live` and `on_lost` are called when that begins and ends. A session that is added later is
    covered as soon as `is_subscribed` is true.
    """

    def __init__(self, client: Any, keys: Keys) -> None:
        self._source = client
        self._client: Redis | None = None
        self._listening = keys.listening
        # Earlier versions of this library publish to the former channel only. They know no cluster.
        self._channel = keys.changes if is_cluster(client) else keys.former_changes
        self.on_change: Callable[[Head], None] = lambda head: None
        self.on_lost: Callable[[], None] = lambda: None
        self.on_live: Callable[[], None] = lambda: None
        self._wanted: set[str] = set()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._unsent: list[str] = []
        self._sender: asyncio.Task[None] | None = None
        self._pubsub: Any = None
        self._task: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._pinged = False
        self.live = False

    def start(self) -> None:
        """Listen from now on; further calls have no effect."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen(), name="agent_sessions watch")

    def subscribe(self, session_id: str) -> None:
        """Requests the changes of this session; `follow` waits for the confirmation."""
        channel = self._channel(session_id)
        self.start()
        if channel in self._wanted:
            return
        self._wanted.add(channel)
        if self.live:
            self._waiting[channel] = asyncio.get_running_loop().create_future()
            self._unsent.append(channel)
            if self._sender is None:
                self._sender = asyncio.create_task(self._send_subscriptions(), name="subscribing")

    async def follow(self, session_id: str) -> bool:
        """True if every later change of this session will be announced to this process."""
        self.subscribe(session_id)
        confirmation = self._waiting.get(self._channel(session_id))
        if confirmation is not None and self.live:
            try:
                async with asyncio.timeout(SILENCE):
                    await asyncio.shield(confirmation)
            except TimeoutError:
                return False
        return self.is_subscribed(session_id)

    async def _send_subscriptions(self) -> None:
        """Channels requested while a command is in flight share the next one."""
        try:
            while self._unsent and self._pubsub is not None:
                channels, self._unsent = self._unsent, []
                await self._pubsub.subscribe(*channels)
        except AWAY as error:
            logger.debug("subscribing failed, the listener will notice: %s", error)
        finally:
            self._sender = None

    def is_subscribed(self, session_id: str) -> bool:
        channel = self._channel(session_id)
        return self.live and channel in self._wanted and channel not in self._waiting

    def unfollow(self, session_id: str) -> None:
        """Unsubscribes in the background, so that eviction does not wait for Valkey."""
        channel = self._channel(session_id)
        self._wanted.discard(channel)
        if self.live:
            task = asyncio.create_task(self._unsubscribe(channel))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _unsubscribe(self, channel: str) -> None:
        try:
            if channel not in self._wanted and self._pubsub is not None:
                await self._pubsub.unsubscribe(channel)
        except AWAY as error:
            logger.debug("unsubscribing failed, the listener will notice: %s", error)

    async def close(self) -> None:
        if self._task is not None:
            sender = () if self._sender is None else (self._sender,)
            await tasks.cancel_and_wait(self._task, *sender, *self._leaving)
        self._drop()
        with suppress(*AWAY):
            await self._disconnect()

    async def _listen(self) -> None:
        backoff = Backoff(*RECONNECT)
        while True:
            try:
                await self._connect()
                backoff.reset()
                while True:
                    await self.tick()
            except AWAY as error:
                logger.warning("Valkey is away, orders come with the heartbeat's answer: %s", error)
            finally:
                await self._lost()
            await asyncio.sleep(backoff.next())

    async def _connect(self) -> None:
        self._client = await subscription_client(self._source)
        self._pubsub = self._client.pubsub()
        asked: set[str] = set()
        confirmed: set[str] = set()
        while asked != confirmed or not asked >= self._wanted or not asked:
            if fresh := {self._listening, *self._wanted} - asked:
                await self._pubsub.subscribe(*fresh)
                asked |= fresh
            message = await self._pubsub.get_message(timeout=SILENCE)
            if message is None:
                raise TimeoutError("Valkey did not confirm the subscription")
            if message["type"] == "subscribe":
                confirmed.add(_text(message["channel"]))
        self._pinged = False
        self.live = True
        self.on_live()

    async def tick(self) -> None:
        """Take one message. Raises when the connection no longer answers."""
        message = await self._pubsub.get_message(timeout=SILENCE)
        if message is None:
            if self._pinged:
                raise TimeoutError("Valkey did not answer a ping")
            self._pinged = True
            await self._pubsub.ping()
            return
        self._pinged = False
        channel = _text(message.get("channel") or "")
        if message["type"] == "subscribe" and channel in self._waiting:
            self._confirm(channel)
        elif message["type"] == "message":
            head = _read(message["data"])
            if head is not None:
                self.on_change(head)

    async def _lost(self) -> None:
        was_live, self.live = self.live, False
        self._drop()
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            try:
                await pubsub.aclose()
            except AWAY as error:
                logger.debug("closing a lost subscription: %s", error)
        await self._disconnect()
        if was_live:
            self.on_lost()

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _confirm(self, channel: str) -> None:
        waiting = self._waiting.pop(channel)
        if not waiting.done():
            waiting.set_result(None)

    def _drop(self) -> None:
        """Wakes all waiters for a confirmation; `live` is false then, so each knows that none came."""
        self._unsent.clear()
        for channel in list(self._waiting):
            self._confirm(channel)


def _read(data: str | bytes) -> Head | None:
    try:
        message = msgspec.json.decode(data)
        return Head(
            message["id"],
            SessionState(message["state"]),
            int(message["version"]),
            int(message["epoch"]),
            int(message["order_version"]),
            message.get("order_verb"),
            int(message["acknowledged_version"]),
            message.get("timeline"),
        )
    except (ValueError, TypeError, KeyError) as error:
        logger.warning("unreadable announcement of a change: %s", error)
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value

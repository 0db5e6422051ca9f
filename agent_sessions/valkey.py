"""What Valkey is for: copies of live sessions, word of every change, and heartbeats. Speed, never truth."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from agent_sessions import tasks
from agent_sessions.errors import InvalidInput
from agent_sessions.grouping import Grouper, Waiting
from agent_sessions.models import AgentSession, Head
from agent_sessions.states import SessionState

logger = logging.getLogger(__name__)

AWAY = (RedisError, OSError, TimeoutError)
SILENCE = 5.0  # seconds without a message before the subscription has to prove that it lives

BEAT_SLOT = 10  # seconds over which received beats are counted
BEATS_COUNTED_FOR = 25 * 3600  # seconds

# A version that was announced is remembered, so that a reader who loaded before it cannot put the old copy back.
# One script for a group: of each session the keys of copy and version, after the seconds that both are kept.
_ANNOUNCE = """
for i = 1, #KEYS / 2 do
  local copy, version, announced = KEYS[2 * i - 1], KEYS[2 * i], ARGV[3 * i - 1]
  if tonumber(announced) >= tonumber(redis.call('GET', version) or '0') then
    redis.call('SET', version, announced, 'EX', ARGV[1])
    redis.call('DEL', copy)
  end
  redis.call('PUBLISH', ARGV[3 * i], ARGV[3 * i + 1])
end
"""
_PUT = """
for i = 1, #KEYS / 2 do
  local copy, version, mine = KEYS[2 * i - 1], KEYS[2 * i], ARGV[2 * i]
  if tonumber(mine) >= tonumber(redis.call('GET', version) or '0') then
    redis.call('SET', version, mine, 'EX', ARGV[1])
    redis.call('SET', copy, ARGV[2 * i + 1], 'EX', ARGV[1])
  end
end
"""


class Names:
    """Every key and channel, in one place."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.heartbeats = f"{namespace}:heartbeats"
        self.beats = f"{namespace}:beats"
        self.beat_counts = f"{namespace}:beats:count"

    def copy(self, session_id: str) -> str:
        return f"{self.namespace}:session:{session_id}"

    def version(self, session_id: str) -> str:
        return f"{self.namespace}:session:{session_id}:version"

    def changes(self, session_id: str) -> str:
        return f"{self.namespace}:session:{session_id}:changes"


class Copies:
    """Copies of sessions that carry their version. A copy without one was written by an older agent."""

    def __init__(self, client: Any, names: Names, ttl: timedelta, *, durable: bool) -> None:
        # Without PostgreSQL the key holds the record itself, which no announcement may drop.
        self._durable = durable
        self._client = client
        self._names = names
        self._ttl = int(ttl.total_seconds())
        self._announcing: Grouper[Head, None] = Grouper(self._announce_group)
        self._putting: Grouper[tuple[int, str], None] = Grouper(self._put_group, most=50)

    async def get(self, session_id: str) -> AgentSession | None:
        """None for what is missing, of unknown shape, or not ours to trust."""
        text = await self._client.get(self._names.copy(session_id))
        if not text:
            return None
        try:
            stored = json.loads(text)
            if not isinstance(stored, dict) or "version" not in stored:
                return None
            return AgentSession.from_dict(stored)
        except (ValueError, RecursionError, InvalidInput) as error:
            logger.warning("unreadable copy of session %s in Valkey: %s", session_id, error)
            return None

    async def put(self, session: AgentSession, text: str) -> None:
        await self._putting.submit(session.session_id, (session.version, text))

    async def announce(self, head: Head) -> None:
        """A copy that is older goes, and whoever follows this session hears of it."""
        await self._announcing.submit(head.session_id, head)

    async def close(self) -> None:
        """Wait for what is on its way."""
        await self._announcing.close()
        await self._putting.close()

    async def _put_group(self, group: Sequence[Waiting[tuple[int, str], None]]) -> None:
        await self._run(_PUT, group, [part for waiting in group for part in waiting.item])
        for waiting in group:
            waiting.answer(None)

    async def _announce_group(self, group: Sequence[Waiting[Head, None]]) -> None:
        words = [(self._names.changes(w.key), _message(w.item)) for w in group]
        if self._durable:
            versions = [waiting.item.version for waiting in group]
            parts = [part for v, word in zip(versions, words, strict=True) for part in (v, *word)]
            await self._run(_ANNOUNCE, group, parts)
        else:
            async with self._client.pipeline(transaction=False) as pipeline:
                for word in words:
                    pipeline.publish(*word)
                await pipeline.execute()
        for waiting in group:
            waiting.answer(None)

    async def _run(
        self, script: str, group: Sequence[Waiting[Any, None]], arguments: Sequence[Any]
    ) -> None:
        keys = [name(w.key) for w in group for name in (self._names.copy, self._names.version)]
        await self._client.eval(script, len(keys), *keys, self._ttl, *arguments)

    async def beat(self, beats: dict[str, datetime]) -> None:
        scores = {session_id: int(at.timestamp() * 1000) for session_id, at in beats.items()}
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.zadd(self._names.heartbeats, scores, gt=True)
            pipeline.publish(self._names.beats, json.dumps(list(scores.items())))
            slot = _slot(max(scores.values(), default=0) / 1000)
            pipeline.incrby(f"{self._names.beat_counts}:{slot}", len(scores))
            pipeline.expire(f"{self._names.beat_counts}:{slot}", BEATS_COUNTED_FOR)
            await pipeline.execute()

    async def count_beats(self, slots: Sequence[int]) -> list[int]:
        """How many beats came in each slot: `BEAT_SLOT` seconds, named by its first second since the epoch."""
        counts = await self._client.mget([f"{self._names.beat_counts}:{s}" for s in slots])
        return [int(count or 0) for count in counts]

    async def last_beats(self, session_ids: Sequence[str]) -> list[float | None]:
        """Seconds since the epoch."""
        scores = await self._client.zmscore(self._names.heartbeats, list(session_ids))
        return [None if score is None else score / 1000 for score in scores]

    async def forget(self, session_id: str) -> None:
        """Nothing of an ended session stays among the heartbeats."""
        await self._client.zrem(self._names.heartbeats, session_id)


class Watch:
    """Follows single sessions over one subscription, and knows when it may have missed something.

    `live` is true while every followed session's channel is confirmed on a connection that answers.
    """

    def __init__(
        self,
        client: Any,
        names: Names,
        *,
        on_change: Callable[[Head], None],
        on_lost: Callable[[], None],
        on_live: Callable[[], None],
    ) -> None:
        self._client = _without_retries(client)
        self._names = names
        self._on_change = on_change
        self._on_lost = on_lost
        self._on_live = on_live
        self._wanted: set[str] = set()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._pubsub: Any = None
        self._task: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._pinged = False
        self.live = False

    async def follow(self, session_id: str) -> bool:
        """True when every later change of this session will be heard."""
        channel = self._names.changes(session_id)
        if self._task is None:
            self._task = asyncio.create_task(self._listen(), name="agent_sessions watch")
        if channel in self._wanted and channel not in self._waiting:
            return self.live
        self._wanted.add(channel)
        if not self.live:
            return False
        heard = self._waiting.get(channel)
        if heard is None:
            heard = self._waiting[channel] = asyncio.get_running_loop().create_future()
            try:
                await self._pubsub.subscribe(channel)
            except AWAY:
                return False
        await asyncio.wait([heard], timeout=SILENCE)
        return self.live and channel not in self._waiting

    def follows(self, session_id: str) -> bool:
        channel = self._names.changes(session_id)
        return self.live and channel in self._wanted and channel not in self._waiting

    def unfollow(self, session_id: str) -> None:
        """Done in the background: whoever forgets a session need not wait for it."""
        channel = self._names.changes(session_id)
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
            await tasks.end(self._task, *self._leaving)
        self._drop()
        await self._client.aclose()

    async def _listen(self) -> None:
        pause = 0.05
        while True:
            try:
                await self._connect()
                pause = 0.05
                while True:
                    await self.tick()
            except AWAY as error:
                logger.warning("Valkey is away, orders come with the heartbeat's answer: %s", error)
            finally:
                await self._lost()
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    async def _connect(self) -> None:
        self._pubsub = self._client.pubsub()
        asked: set[str] = set()
        confirmed: set[str] = set()
        while asked != confirmed or not asked >= self._wanted or not asked:
            if fresh := {f"{self._names.namespace}:listening", *self._wanted} - asked:
                await self._pubsub.subscribe(*fresh)
                asked |= fresh
            message = await self._pubsub.get_message(timeout=SILENCE)
            if message is None:
                raise TimeoutError("Valkey did not confirm the subscription")
            if message["type"] == "subscribe":
                confirmed.add(_text(message["channel"]))
        self._pinged = False
        self.live = True
        self._on_live()

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
            self._waiting.pop(channel).set_result(None)
        elif message["type"] == "message":
            head = _read(message["data"])
            if head is not None:
                self._on_change(head)

    async def _lost(self) -> None:
        was_live, self.live = self.live, False
        self._drop()
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            try:
                await pubsub.aclose()
            except AWAY as error:
                logger.debug("closing a lost subscription: %s", error)
        if was_live:
            self._on_lost()

    def _drop(self) -> None:
        for waiting in self._waiting.values():
            waiting.cancel()
        self._waiting.clear()


def _without_retries(client: Any) -> Any:
    """redis-py reconnects a subscription by itself and does not say that messages were missed."""
    pool = client.connection_pool
    settings = {
        **pool.connection_kwargs,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "health_check_interval": 0,
        "socket_timeout": None,
    }
    return Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **settings))


def _message(head: Head) -> str:
    return json.dumps(
        {
            "id": head.session_id,
            "version": head.version,
            "epoch": head.epoch,
            "state": head.state.value,
            "order_version": head.order_version,
            "order_verb": head.order_verb,
            "acknowledged_version": head.acknowledged_version,
        }
    )


def _read(data: str | bytes) -> Head | None:
    try:
        message = json.loads(data)
        return Head(
            message["id"],
            SessionState(message["state"]),
            int(message["version"]),
            int(message["epoch"]),
            int(message["order_version"]),
            message.get("order_verb"),
            int(message["acknowledged_version"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        logger.warning("unreadable word of a change: %s", error)
        return None


def _slot(seconds: float) -> int:
    return int(seconds // BEAT_SLOT) * BEAT_SLOT


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value

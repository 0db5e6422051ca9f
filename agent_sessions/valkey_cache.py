"""What Valkey keeps: copies of live sessions, announcements of changes, and heartbeats. PostgreSQL decides, Valkey is faster."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from agent_sessions.basic_errors import InvalidInput
from agent_sessions.batching import Batcher, BatchItem
from agent_sessions.keys import Keys
from agent_sessions.models import AgentSession, Head
from agent_sessions.tasks import cancellable
from agent_sessions.valkey_client import AWAY, get_many, is_cluster, publish, run_script

logger = logging.getLogger(__name__)

BEAT_SLOT = 10  # seconds over which received beats are counted
BEATS_COUNTED_FOR = 25 * 3600  # seconds
_LATEST = 2**53  # milliseconds; a score beyond it is no time
COPIES_WAITING = 16 * 1024 * 1024  # characters; without a copy the next reader asks PostgreSQL

# A version that was announced is remembered, so that a reader who loaded before it cannot put the old copy back.
# It is remembered as "version timeline", and compared within one timeline only.
# One script for a group: of each session the keys of copy and version, after the seconds that both are kept.
_IS_NEWEST = """
local function is_newest(key, mine)
  local known, timeline = string.match(redis.call('GET', key) or '', '^(%d+) (.*)$')
  local version, own = string.match(mine, '^(%d+) (.*)$')
  return known == nil or timeline ~= own or tonumber(version) >= tonumber(known)
end
"""
_ANNOUNCE = f"""{_IS_NEWEST}
for i = 1, #KEYS / 2 do
  local copy, version, announced = KEYS[2 * i - 1], KEYS[2 * i], ARGV[4 * i - 2]
  if is_newest(version, announced) then
    redis.call('SET', version, announced, 'EX', ARGV[1])
    redis.call('DEL', copy)
  end
  for channel = 4 * i - 1, 4 * i do
    if ARGV[channel] ~= '' then redis.call('PUBLISH', ARGV[channel], ARGV[4 * i + 1]) end
  end
end
"""
_PUT = f"""{_IS_NEWEST}
for i = 1, #KEYS / 2 do
  local copy, version, mine = KEYS[2 * i - 1], KEYS[2 * i], ARGV[2 * i]
  if is_newest(version, mine) then
    redis.call('SET', version, mine, 'EX', ARGV[1])
    redis.call('SET', copy, ARGV[2 * i + 1], 'EX', ARGV[1])
  end
end
"""


ValkeyText = str | bytes  # as the client was told to answer


class ValkeyCache:
    """Copies of sessions that carry their version. A copy without one was written by an older agent."""

    def __init__(self, client: Any, keys: Keys, ttl: timedelta, *, durable: bool) -> None:
        # Without PostgreSQL the key holds the record itself, which no announcement may drop.
        self._durable = durable
        self._client = client
        self._keys = keys
        self._ttl = int(ttl.total_seconds())
        self._announcing: Batcher[Head, None] = Batcher(self._announce_group)
        self._putting: Batcher[tuple[str, ValkeyText], None] = Batcher(self._put_group, most=50)
        self._waiting = 0  # characters
        self._under_way: set[asyncio.Future[None]] = set()

    async def get(self, session_ids: Sequence[str]) -> Sequence[ValkeyText | None]:
        """Of each its JSON, where there is any."""
        return await get_many(self._client, [self._keys.copy(id) for id in session_ids])

    def put_soon(self, session: AgentSession, text: ValkeyText) -> None:
        """Sends a copy without waiting for it. None is sent while more than COPIES_WAITING characters are under way."""
        if self._waiting > COPIES_WAITING:
            return
        arrived = self._track()

        def put(_: None) -> None:
            self._waiting -= len(text)
            arrived()

        def refused(error: BaseException) -> None:
            expected = isinstance(error, (*AWAY, asyncio.CancelledError))
            level = logging.DEBUG if expected else logging.ERROR
            logger.log(level, "no copy into Valkey: %r", error)
            put(None)

        self._waiting += len(text)
        self._putting.send(session.session_id, (_place(session), text), put, refused)

    async def settle(self) -> None:
        """Waits for the copies and announcements that are under way now."""
        if self._under_way:
            await asyncio.wait(list(self._under_way))

    async def announce(self, head: Head) -> None:
        """Deletes an older copy, and publishes the head to every process that follows this session."""
        await self._announcing.submit(head.session_id, head)

    def announce_soon(
        self, head: Head, announced: Callable[[], None], refused: Callable[[BaseException], None]
    ) -> None:
        """As `announce`, without waiting: one of the two callbacks is called."""
        arrived = self._track()

        def told(_: None) -> None:
            announced()
            arrived()

        def failed(error: BaseException) -> None:
            refused(error)
            arrived()

        self._announcing.send(head.session_id, head, told, failed)

    def _track(self) -> Callable[[], None]:
        """Notes that something is under way; returns what is to be called at its end."""
        gone = asyncio.get_running_loop().create_future()
        self._under_way.add(gone)

        def arrived() -> None:
            self._under_way.discard(gone)
            gone.set_result(None)

        return arrived

    async def close(self) -> None:
        """Waits for the groups that are under way."""
        await self._announcing.close()
        await self._putting.close()

    async def _put_group(self, group: Sequence[BatchItem[tuple[str, ValkeyText], None]]) -> None:
        await self._run(_PUT, group, [waiting.item for waiting in group])
        for waiting in group:
            waiting.resolve(None)

    async def _announce_group(self, group: Sequence[BatchItem[Head, None]]) -> None:
        if self._durable:
            words = [(_place(w.item), *self._channels(w.key), _message(w.item)) for w in group]
            await self._run(_ANNOUNCE, group, words)
        else:
            async with self._client.pipeline(transaction=False) as pipeline:
                for waiting in group:
                    for channel in filter(None, self._channels(waiting.key)):
                        publish(pipeline, channel, _message(waiting.item))
                await cancellable(pipeline.execute())
        for waiting in group:
            waiting.resolve(None)

    def _channels(self, session_id: str) -> tuple[str, str]:
        """The second is the earlier version's, which knows no cluster."""
        former = "" if is_cluster(self._client) else self._keys.former_changes(session_id)
        return self._keys.changes(session_id), former

    async def _run(
        self, script: str, group: Sequence[BatchItem[Any, None]], words: Sequence[Sequence[Any]]
    ) -> None:
        keys = [(self._keys.copy(w.key), self._keys.version(w.key)) for w in group]
        await run_script(self._client, script, self._ttl, list(zip(keys, words, strict=True)))

    async def beat(self, beats: dict[str, datetime]) -> None:
        scores = {session_id: int(at.timestamp() * 1000) for session_id, at in beats.items()}
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.zadd(self._keys.heartbeats, scores, gt=True)
            publish(pipeline, self._keys.beats, json.dumps(list(scores.items())))
            slot = _slot(max(scores.values(), default=0) / 1000)
            pipeline.set(self._keys.beats_counted_since, slot, nx=True)
            pipeline.incrby(self._keys.beat_count(slot), len(scores))
            pipeline.expire(self._keys.beat_count(slot), BEATS_COUNTED_FOR)
            await cancellable(pipeline.execute())

    async def count_beats(self, slots: Sequence[int]) -> list[int | None]:
        """How many beats came in each slot: `BEAT_SLOT` seconds, named by its first second since the epoch.

        None for a slot before the first one that was counted, because a Valkey that lost its data counts anew.
        """
        keys = [self._keys.beat_count(slot) for slot in slots]
        since, *counts = await get_many(self._client, [self._keys.beats_counted_since, *keys])
        first = _count(since) or math.inf
        return [
            _count(count) if slot >= first else None
            for slot, count in zip(slots, counts, strict=True)
        ]

    async def last_beats(self, session_ids: Sequence[str]) -> list[float | None]:
        """Seconds since the epoch."""
        scores = await cancellable(self._client.zmscore(self._keys.heartbeats, list(session_ids)))
        known = (score if score is not None and 0 < score < _LATEST else None for score in scores)
        return [None if score is None else score / 1000 for score in known]

    async def forget(self, session_id: str) -> None:
        """Removes an ended session from the heartbeats."""
        await cancellable(self._client.zrem(self._keys.heartbeats, session_id))


def copy_in(text: ValkeyText, session_id: str) -> AgentSession | None:
    """None for what is of unknown shape, or not ours to trust."""
    try:
        stored = msgspec.json.decode(text)
        if not isinstance(stored, dict) or "version" not in stored:
            return None
        return AgentSession.from_dict(stored)
    except (ValueError, RecursionError, InvalidInput) as error:
        logger.warning("unreadable copy of session %s in Valkey: %s", session_id, error)
        return None


def _message(head: Head) -> str:
    """JSON, formatted by hand because it is sent with every write."""
    return (
        f'{{"id": "{head.session_id}", "version": {head.version}, "epoch": {head.epoch},'
        f' "state": "{head.state.value}", "order_version": {head.order_version},'
        f' "order_verb": {json.dumps(head.order_verb)},'
        f' "acknowledged_version": {head.acknowledged_version}, "timeline": {json.dumps(head.timeline)}}}'
    )


def _count(stored: ValkeyText | None) -> int:
    """0 for what is no count: other programs can write to Valkey as well."""
    text = stored.decode(errors="replace") if isinstance(stored, bytes) else stored or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _place(known: Head | AgentSession) -> str:
    """As the scripts compare it."""
    return f"{known.version} {known.timeline or ''}"


def _slot(seconds: float) -> int:
    return int(seconds // BEAT_SLOT) * BEAT_SLOT

"""The one Valkey subscription of this process: heartbeats and conversations, which change no row."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from agent_sessions.backoff import Backoff
from agent_sessions.keys import Keys
from agent_sessions.valkey_client import AWAY, open_client, subscription_client

from .. import metrics

log = logging.getLogger(__name__)

QUIET = 1.0
SILENCE = 5.0
BATCH = 1000
LATEST = 2**53  # milliseconds; the limit of exact integers in browsers

BeatList = list[tuple[str, int]]


async def client(url: str) -> Any:
    """A client that never reconnects by itself: an unnoticed gap would make pages claim to be live."""
    return await open_client(
        url,
        socket_timeout=3.0,
        socket_connect_timeout=3.0,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        encoding_errors="replace",
    )


class DeferredClient:
    """Connects with its first command, because finding out whether the server is a node of a cluster needs the loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Any = None

    def __getattr__(self, command: str) -> Callable[..., Awaitable[Any]]:
        async def run(*words: Any, **options: Any) -> Any:
            if self._client is None:
                self._client = await client(self._url)
            return await getattr(self._client, command)(*words, **options)

        return run


class ValkeySource:
    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        on_message: Callable[[BeatList], None],
        on_connected: Callable[[], None],
        on_lost: Callable[[], None],
        monotonic: Callable[[], float],
        others: Mapping[str, Callable[[str], None]] = {},
    ) -> None:
        """`others`: further channels, each with its callback."""
        self._url, self._others = url, dict(others)
        self._keys = Keys(namespace)
        self._on_message, self._on_connected, self._on_lost = on_message, on_connected, on_lost
        self._monotonic = monotonic
        self._backoff = Backoff()
        self._client: Any = None
        self.live = False

    async def run(self) -> None:
        while True:
            try:
                await self._listen()
            except AWAY as error:
                self._lost(error)
            await asyncio.sleep(self._backoff.next())

    def _lost(self, error: Exception) -> None:
        metrics.RECONNECTS.labels("valkey").inc()
        if self.live or self._backoff.failures == 0:
            log.warning("the feed lost Valkey and will try again: %s", error)
        self.live = False
        self._on_lost()

    async def _listen(self) -> None:
        self._client = await client(self._url)
        try:
            own = await subscription_client(self._client)
            try:
                async with own.pubsub() as pubsub:
                    await pubsub.subscribe(*self._others, self._keys.beats)
                    await self._read(pubsub)
            finally:
                # its own `async with` would shield this, and the task outlive a cancellation
                await own.aclose()
        finally:
            gone, self._client = self._client, None
            await gone.aclose()

    async def _read(self, pubsub: PubSub) -> None:
        received_at = self._monotonic()
        while True:
            message = await pubsub.get_message(timeout=QUIET)
            if message is None:
                if self._monotonic() - received_at > SILENCE:
                    raise TimeoutError("Valkey does not answer")
                await pubsub.ping()
                continue
            received_at = self._monotonic()
            if message["channel"] in self._others:
                if message["type"] == "message":
                    self._others[message["channel"]](message["data"])
            elif message["type"] == "subscribe":
                self.live = True
                self._backoff.reset()
                self._on_connected()
            elif message["type"] == "message":
                self._on_message(parse(message["data"]))

    async def newest(self, ids: Sequence[str]) -> dict[str, int]:
        """Last heartbeats in milliseconds, without those that Valkey does not have or cannot answer now."""
        if self._client is None or not self.live:
            return {}
        found: dict[str, int] = {}
        try:
            for start in range(0, len(ids), BATCH):
                batch = list(ids[start : start + BATCH])
                scores = await self._client.zmscore(self._keys.heartbeats, batch)
                found.update(
                    (i, int(s))
                    for i, s in zip(batch, scores, strict=True)
                    if s is not None and 0 < s < LATEST
                )
        except AWAY as error:
            log.debug("heartbeats could not be read: %s", error)
        return found


def parse(payload: str) -> BeatList:
    """Any client may publish: invalid payloads are dropped."""
    try:
        return [
            (session_id, int(ms))
            for session_id, ms in json.loads(payload)
            if type(session_id) is str and type(ms) in (int, float) and 0 < ms < LATEST
        ]
    except (ValueError, TypeError, RecursionError):
        log.warning("a message on the channel of heartbeats that is none of ours was dropped")
        return []

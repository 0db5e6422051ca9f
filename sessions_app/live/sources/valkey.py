"""The one Valkey subscription of this process: what touches no row, heartbeats and conversations."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from .. import metrics
from .backoff import Backoff

log = logging.getLogger(__name__)

QUIET = 1.0
SILENCE = 5.0
BATCH = 1000
LATEST = 2**53  # milliseconds; a browser counts no further

Beats = list[tuple[str, int]]


def client(url: str) -> Redis:
    """Never reconnects by itself: a gap that nobody notices is a wrong claim on a page."""
    return Redis.from_url(
        url,
        socket_timeout=3.0,
        socket_connect_timeout=3.0,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        encoding_errors="replace",
    )


class ValkeySource:
    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        heard: Callable[[Beats], None],
        connected: Callable[[], None],
        lost: Callable[[], None],
        monotonic: Callable[[], float],
        others: Mapping[str, Callable[[str], None]] = {},
    ) -> None:
        """`others`: further channels, and who is told of their messages."""
        self._url, self._others = url, dict(others)
        self._channel, self._set = f"{namespace}:beats", f"{namespace}:heartbeats"
        self._on_message, self._on_connected, self._on_lost = heard, connected, lost
        self._monotonic = monotonic
        self._backoff = Backoff()
        self._client: Redis | None = None
        self.live = False

    async def run(self) -> None:
        while True:
            try:
                await self._listen()
            except (RedisError, OSError, TimeoutError) as error:
                self._went_away(error)
            await asyncio.sleep(self._backoff.next())

    def _went_away(self, error: Exception) -> None:
        metrics.RECONNECTS.labels("valkey").inc()
        if self.live or self._backoff.failures == 0:
            log.warning("the feed lost Valkey and will try again: %s", error)
        self.live = False
        self._on_lost()

    async def _listen(self) -> None:
        self._client = client(self._url)
        try:
            async with self._client.pubsub() as pubsub:
                await pubsub.subscribe(*self._others, self._channel)
                await self._hear(pubsub)
        finally:
            gone, self._client = self._client, None
            await gone.aclose()

    async def _hear(self, pubsub: PubSub) -> None:
        heard_at = self._monotonic()
        while True:
            message = await pubsub.get_message(timeout=QUIET)
            if message is None:
                if self._monotonic() - heard_at > SILENCE:
                    raise TimeoutError("Valkey does not answer")
                await pubsub.ping()
                continue
            heard_at = self._monotonic()
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
        """Last heartbeats in milliseconds, as far as Valkey knows them now."""
        if self._client is None or not self.live:
            return {}
        found: dict[str, int] = {}
        try:
            for start in range(0, len(ids), BATCH):
                batch = list(ids[start : start + BATCH])
                scores = await self._client.zmscore(self._set, batch)
                found.update(
                    (i, int(s))
                    for i, s in zip(batch, scores, strict=True)
                    if s is not None and 0 < s < LATEST
                )
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("beats could not be read: %s", error)
        return found


def parse(payload: str) -> Beats:
    """Anyone may publish: what is not ours is dropped, not believed."""
    try:
        return [
            (session_id, int(ms))
            for session_id, ms in json.loads(payload)
            if type(session_id) is str and type(ms) in (int, float) and 0 < ms < LATEST
        ]
    except (ValueError, TypeError, RecursionError):
        log.warning("a message on the channel of heartbeats that is none of ours was dropped")
        return []

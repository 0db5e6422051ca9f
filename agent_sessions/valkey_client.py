"""Clients of one Valkey server or of a cluster, and the commands that differ between the two."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis.asyncio import ConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError, ResponseError

from agent_sessions.basic_errors import InvalidInput, StorageMisconfigured
from agent_sessions.tasks import cancellable

logger = logging.getLogger(__name__)

AWAY = (RedisError, RedisClusterException, OSError, TimeoutError)

OLDEST = {"valkey": (7, 2), "redis": (7, 0)}
_HELLO: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "socket_timeout": 2.0}
CLUSTER = "cluster"  # in an address: `?cluster=true`


async def open_client(url: str, *, checked: bool = False, **settings: Any) -> Any:
    """A client of the server at this address, or of the cluster that it is a node of.

    `?cluster=true` in the address says that it is a cluster, for a start while no node answers; without it such a
    start counts as one server. `checked`: raises StorageMisconfigured for a server that is too old.
    """
    try:
        found = await cluster_url(url, checked=checked, **settings)
    except ValueError as error:
        raise InvalidInput(f"Valkey's address cannot be read: {error}") from None
    except AWAY as error:
        logger.debug("the server could not be asked what it is: %s", error)
        found = None
    if found is not None:
        return RedisCluster.from_url(found, **settings)
    return Redis.from_url(split_address(url)[0], **settings)


async def cluster_url(url: str, *, checked: bool = False, **settings: Any) -> str | None:
    """The address for a cluster's client; None for one server. Raises one of AWAY while it is not known."""
    url, cluster = split_address(url)
    address = without_database(url)
    client = Redis.from_url(address, **{**settings, **_HELLO})
    try:
        facts = await _asked(client)
    except AWAY:
        if cluster:
            return address
        raise
    finally:
        # its own `async with` shields this: a task would outlive a cancellation
        await close_client(client)
    if checked:
        check_server(facts)
    return address if cluster or facts.get("mode") == CLUSTER else None


async def close_client(client: Any) -> None:
    """Errors are ignored: a server that is away has closed the connection already."""
    with suppress(*AWAY):
        await client.aclose()


def open_sync_client(url: str, **settings: Any) -> Any:
    """As `open_client`, for threads. Raises one of AWAY while it is not known what the server is."""
    found = sync_cluster_url(url, **settings)
    if found is not None:
        return redis.RedisCluster.from_url(found, **settings)
    return redis.Redis.from_url(split_address(url)[0], **settings)


def sync_cluster_url(url: str, **settings: Any) -> str | None:
    """As `cluster_url`, for threads."""
    url, cluster = split_address(url)
    address = without_database(url)
    if not cluster:
        with redis.Redis.from_url(address, **settings) as client:
            cluster = _sync_asked(client).get("mode") == CLUSTER
    return address if cluster else None


def is_cluster(client: Any) -> bool:
    return isinstance(client, RedisCluster)


async def get_many(client: Any, keys: Sequence[str]) -> Sequence[Any]:
    if not is_cluster(client):
        found: Sequence[Any] = await cancellable(client.mget(keys))
        return found
    async with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.get(key)
        answers: Sequence[Any] = await cancellable(pipeline.execute())
        return answers


def publish(pipeline: Any, channel: str, message: str) -> None:
    """A pipeline of a cluster has no method for it."""
    pipeline.execute_command("PUBLISH", channel, message)


async def run_script(
    client: Any, script: str, first: Any, items: Sequence[tuple[Sequence[str], Sequence[Any]]]
) -> None:
    """Run once for the keys and arguments of all items; in a cluster once for each, since their slots differ."""
    if not is_cluster(client):
        keys = [key for item, _ in items for key in item]
        arguments = [argument for _, item in items for argument in item]
        await cancellable(client.eval(script, len(keys), *keys, first, *arguments))
        return
    async with client.pipeline(transaction=False) as pipeline:
        for own, words in items:
            pipeline.eval(script, len(own), *own, first, *words)
        await cancellable(pipeline.execute())


async def subscription_client(client: Any) -> Redis:
    """A client for one subscription, which never reconnects by itself: redis-py would not say that messages were missed.

    In a cluster it is connected to one node, which gets what is published to any of them.
    """
    unhurried = {
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "health_check_interval": 0,
        "socket_timeout": None,
    }
    if is_cluster(client):
        await cancellable(client.initialize())
        node = client.get_random_primary_node()
        kind, known = node.connection_class, node.connection_kwargs
    else:
        kind, known = (
            client.connection_pool.connection_class,
            client.connection_pool.connection_kwargs,
        )
    return Redis(connection_pool=ConnectionPool(connection_class=kind, **{**known, **unhurried}))


def split_address(url: str) -> tuple[str, bool]:
    """The address as redis-py reads it, and whether it says that it is a cluster's."""
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    rest = [(name, value) for name, value in options if name != CLUSTER]
    if len(rest) == len(options):
        return url, False
    asked = dict(options)[CLUSTER].lower() in ("true", "1", "yes")
    return parts._replace(query=urlencode(rest)).geturl(), asked


def without_database(url: str) -> str:
    """A cluster has database 0 only."""
    parts = urlsplit(url)
    rest = [(n, v) for n, v in parse_qsl(parts.query, keep_blank_values=True) if n != "db"]
    path = parts.path if parts.scheme == "unix" else ""
    query = urlencode(rest)
    return f"{parts.scheme}://{parts.netloc}{path}" + (f"?{query}" if query else "")


async def _asked(client: Redis) -> dict[str, str]:
    """What the server says of itself; nothing where it does not. HELLO needs no right of its own, as INFO does."""
    try:
        answer = await cancellable(client.execute_command("HELLO"))  # type: ignore[no-untyped-call]
        return _facts(answer)
    except ResponseError as error:
        logger.debug("the server does not say what it is: %s", error)
        return {}


def _sync_asked(client: redis.Redis) -> dict[str, str]:
    try:
        return _facts(client.execute_command("HELLO"))  # type: ignore[no-untyped-call]
    except ResponseError as error:
        logger.debug("the server does not say what it is: %s", error)
        return {}


def _facts(answer: Any) -> dict[str, str]:
    if isinstance(answer, list):
        answer = dict(zip(answer[::2], answer[1::2], strict=False))
    return {_text(name): _text(value) for name, value in answer.items()}


def check_server(facts: dict[str, str]) -> None:
    """Raises StorageMisconfigured for a server that is too old; one that does not say passes."""
    name, version = facts.get("server", "").lower(), facts.get("version", "")
    numbers = re.match(r"(\d+)\.(\d+)", version)
    oldest = OLDEST.get(name)
    if oldest and numbers and (int(numbers[1]), int(numbers[2])) < oldest:
        raise StorageMisconfigured(
            f"{name.capitalize()} {version} is too old: Valkey 7.2 and newer or Redis 7 and newer are needed"
        )


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

"""Django's cache backend: web processes share values in Valkey as JSON, never as pickles."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from django_redis.pool import ConnectionFactory as DjangoRedisFactory
from django_redis.serializers.base import BaseSerializer
from redis import RedisCluster, exceptions

from agent_sessions.valkey_client import AWAY, split_address, sync_cluster_url

LONGEST = 64 * 1024  # bytes; only small numbers and texts are cached


class JsonSerializer(BaseSerializer):  # type: ignore[misc]
    """Encodes values as JSON.

    An unreadable value is a cache miss: any client of Valkey may have written it. Readers still have to check the
    shape of a value.
    """

    def dumps(self, value: Any) -> bytes:
        return msgspec.json.encode(value)

    def loads(self, value: bytes) -> Any:
        if len(value) > LONGEST:
            return None
        try:
            return msgspec.json.decode(value)
        except (ValueError, RecursionError):
            return None


class ClusterClient(RedisCluster):
    def execute_command(self, *words: Any, **options: Any) -> Any:
        """Maps cluster errors to connection errors, because django-redis ignores only the latter."""
        try:
            return super().execute_command(*words, **options)  # type: ignore[no-untyped-call]
        except exceptions.RedisClusterException as error:
            raise exceptions.ConnectionError(str(error)) from error


class ConnectionFactory(DjangoRedisFactory):  # type: ignore[misc]
    """Uses one client of the whole cluster per process if the address is that of a cluster node."""

    _found: ClassVar[dict[str, Any]] = {}

    def get_connection(self, params: dict[str, Any]) -> Any:
        url, _ = split_address(params["url"])
        waits = {name: value for name, value in params.items() if name.startswith("socket_")}
        if params["url"] not in self._found:
            try:
                cluster = sync_cluster_url(params["url"], **waits)
                found = None if cluster is None else ClusterClient.from_url(cluster, **waits)
                self._found[params["url"]] = found
            except AWAY:
                return super().get_connection({**params, "url": url})
        return self._found[params["url"]] or super().get_connection({**params, "url": url})

"""A cluster of three Valkey masters on loopback."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import redis
from redis.asyncio import RedisCluster

from tests.library.own_valkey import OwnValkey

SLOTS = 16384
START_SECONDS = 60.0
OPTIONS = {"bind": "127.0.0.1", "cluster-enabled": "yes", "cluster-node-timeout": "2000"}


class OwnCluster:
    def __init__(self, masters: int = 3, replicas: int = 0) -> None:
        ports = _free_ports(2 * (masters + replicas))
        self.nodes = {port: OwnValkey() for port in ports[: masters + replicas]}
        self._bus_ports = dict(zip(self.nodes, ports[masters + replicas :], strict=True))
        self.masters = list(self.nodes)[:masters]
        self.replicas = list(self.nodes)[masters:]
        self.url = self.url_of(self.masters[0])

    def url_of(self, port: int, user: str = "") -> str:
        """The URL of a node; `user` is `name:password`."""
        return f"redis://{user and user + '@'}127.0.0.1:{port}/0"

    async def start(self, **more: str) -> None:
        """Starts the nodes within `START_SECONDS`, or raises. `more` are additional server options."""
        async with asyncio.timeout(START_SECONDS):
            for port, node in self.nodes.items():
                own = {"port": str(port), "cluster-port": str(self._bus_ports[port])}
                await node.start(**OPTIONS, **own, **more)
            await asyncio.to_thread(self._join)
            await self.until_it_answers()

    def _join(self) -> None:
        size = -(-SLOTS // len(self.masters))
        for n, port in enumerate(self.nodes):
            with self.client(port) as client:
                if port in self.masters:
                    last = min((n + 1) * size, SLOTS) - 1
                    client.execute_command("CLUSTER ADDSLOTSRANGE", n * size, last)
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
                first = self.masters[0]
                if port != first:
                    client.execute_command(
                        "CLUSTER MEET", "127.0.0.1", first, self._bus_ports[first]
                    )

    async def until_it_answers(self) -> None:
        while True:
            if await asyncio.to_thread(self._is_whole):
                return
            await asyncio.sleep(0.05)

    def _is_whole(self) -> bool:
        for port in self.nodes:
            with self.client(port) as client:
                info = client.execute_command("CLUSTER INFO")
                if info["cluster_state"] != "ok" or int(info["cluster_known_nodes"]) != len(
                    self.nodes
                ):
                    return False
        return True

    def client(self, port: int) -> redis.Redis:
        """A client of one node over its socket, as the user that may do everything."""
        return redis.Redis.from_url(self.nodes[port].as_user, decode_responses=True)

    async def empty(self) -> None:
        async with RedisCluster.from_url(self.url) as client:
            await client.flushall(target_nodes=RedisCluster.PRIMARIES)

    def remove(self) -> None:
        with ExitStack() as stack:
            for node in self.nodes.values():
                stack.callback(node.remove)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [s.getsockname()[1] for s in sockets]

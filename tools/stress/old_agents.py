"""An unmodified old agent: whole-row upserts from a cache that is never invalidated."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import redis.asyncio

from agent_sessions import SessionManager
from tests.library.old_agent import OldAgent
from tools.stress.base_actor import PATIENCE, ActorTask
from tools.stress.call_log import Log
from tools.stress.plan import Actor

RELOADS = 0.15
ORDERS = "SELECT order_version FROM agent_sessions WHERE id = %s"


class Old(ActorTask):
    def __init__(
        self,
        actor: Actor,
        session: str,
        manager: SessionManager,
        log: Log,
        attempt: int,
        *,
        database_url: str,
        valkey_url: str,
    ) -> None:
        super().__init__(actor, session, manager, log, attempt)
        self._database_url, self._valkey_url = database_url, valkey_url
        self._keys = {word: f"{actor.name} {word}" for word in ("status", "queue", "extra", "n")}

    async def work(self) -> None:
        while not self.ending.is_set():
            try:
                await self._connected()
            except (psycopg.Error, redis.RedisError, OSError):
                await asyncio.sleep(PATIENCE)

    async def _connected(self) -> None:
        connect = psycopg.AsyncConnection.connect(
            self._database_url, autocommit=True, connect_timeout=3
        )
        async with await connect as sql, redis.asyncio.Redis.from_url(self._valkey_url) as valkey:
            while not self.ending.is_set():
                await self._with_one_cache(sql, OldAgent(sql, valkey))

    async def _with_one_cache(self, sql: psycopg.AsyncConnection[Any], agent: OldAgent) -> None:
        await agent.load(self.session)
        cursor = await sql.execute(ORDERS, (self.session,))
        row = await cursor.fetchone()
        order_seen = row[0] if row else 0
        while not self.ending.is_set():
            # 8: long enough for many changes by others
            for _ in range(self.random.choice([1, 1, 1, 8])):
                await self.pause()
            await self._write(agent, order_seen)
            if self.random.random() < RELOADS:
                return

    async def _write(self, agent: OldAgent, order_seen: int) -> None:
        """Logs its own keys as `wants` and the changed ones as `changed`; None is a removed key."""
        context, token = agent.cache["context"], self.value()
        changed = self._change(context)
        removed = {key: None for key in self._keys.values() if key not in context}
        own = {key: context[key] for key in self._keys.values() if key in context}
        agent.checkpoint(f"{self.actor.name} turn", token=token)
        await self.call(
            "upsert",
            agent.save,
            tokens=[token],
            wants=own | removed,
            changed=changed,
            state=agent.cache["state"],
            order_seen=order_seen,
        )

    def _change(self, context: dict[str, Any]) -> dict[str, Any]:
        """Changes a value to and fro, a list, a key that comes and goes, or a number."""
        keys = self._keys
        match self.random.choice(["status", "queue", "extra", "n"]):
            case "status":
                context[keys["status"]] = (
                    "idle" if context.get(keys["status"]) == "busy" else "busy"
                )
                return {keys["status"]: context[keys["status"]]}
            case "queue":
                context[keys["queue"]] = [] if context.get(keys["queue"]) else [1]
                return {keys["queue"]: context[keys["queue"]]}
            case "extra":
                if context.pop(keys["extra"], None) is None:
                    context[keys["extra"]] = self.value()
                return {keys["extra"]: context.get(keys["extra"])}
            case _:
                context[keys["n"]] = self.value()
                return {keys["n"]: context[keys["n"]]}

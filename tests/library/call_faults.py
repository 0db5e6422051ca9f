"""Faults of PostgreSQL and Valkey during a call, on servers of the test."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import redis.asyncio
from psycopg import sql as pgsql
from redis.exceptions import RedisError

from tests.library.own_valkey import OwnValkey
from tests.support import valkey_refusals
from tests.support.valkey_refusals import Refusal

STRANGER = "a_stranger"  # a role without rights
TRIGGER = """
CREATE OR REPLACE FUNCTION refuse_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'refused for a test' USING ERRCODE = '{code}'; END $$;
CREATE TRIGGER refuse_all BEFORE INSERT OR UPDATE ON agent_sessions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_all();
"""


@dataclass
class Servers:
    """A database of the test on the shared server of `admin`, and a Valkey of the test."""

    admin: psycopg.AsyncConnection[Any]
    database: str
    database_url: str
    valkey: OwnValkey
    blocker: psycopg.AsyncConnection[Any] | None = None

    async def settings(self, **values: str) -> None:
        """Changes the database's settings for new connections; disconnects the current ones."""
        for name, value in values.items():
            await self._alter(
                pgsql.SQL("SET {} = {}").format(pgsql.Identifier(name), pgsql.Literal(value))
            )
        await self.cut()

    async def reset(self) -> None:
        await self._alter(pgsql.SQL("RESET ALL"))
        await self._alter(pgsql.SQL("ALLOW_CONNECTIONS true"))
        await self.cut()

    async def refuse_connections(self) -> None:
        await self._alter(pgsql.SQL("ALLOW_CONNECTIONS false"))
        await self.cut()

    async def _alter(self, what: pgsql.Composable) -> None:
        await self.admin.execute(
            pgsql.SQL("ALTER DATABASE {} {}").format(pgsql.Identifier(self.database), what)
        )

    async def cut(self) -> None:
        await self.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (self.database,),
        )

    async def run(self, statement: str) -> None:
        async with await psycopg.AsyncConnection.connect(
            self.database_url, autocommit=True
        ) as connection:
            await connection.execute(statement.encode())

    async def lock(self) -> None:
        """Locks the table of sessions, so that every read and write waits."""
        self.blocker = await psycopg.AsyncConnection.connect(self.database_url)
        await self.blocker.execute("LOCK TABLE agent_sessions IN ACCESS EXCLUSIVE MODE")

    async def unlock(self) -> None:
        if self.blocker is not None:
            with suppress(psycopg.Error):
                await self.blocker.close()

    async def signal_backends(self, number: int) -> None:
        cursor = await self.admin.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s", (self.database,)
        )
        for (pid,) in await cursor.fetchall():
            os.kill(pid, number)

    async def tell_valkey(self, *command: str) -> None:
        async with redis.asyncio.Redis.from_url(self.valkey.as_user) as client:
            await client.execute_command(*command)  # type: ignore[no-untyped-call]

    async def spoil(self) -> None:
        """Replaces every key by one of an unexpected type."""
        async with redis.asyncio.Redis.from_url(self.valkey.url) as client:
            for database in (0, 1):
                await client.execute_command("SELECT", database)  # type: ignore[no-untyped-call]
                for key in await client.keys("*"):
                    kind = await client.type(key)
                    await client.delete(key)
                    await (client.sadd(key, "x") if kind == b"string" else client.set(key, b"\xff"))


Act = Callable[[Servers], Awaitable[None]]


async def nothing(_: Servers) -> None:
    """For faults that end by themselves."""


@dataclass(frozen=True)
class Fault:
    """`meanwhile` runs during the calls."""

    name: str
    begin: Act
    end: Act = nothing
    meanwhile: Act = nothing
    of_valkey: bool = False
    slow: bool = False  # left out of the limited set


async def _cut_while_waiting(servers: Servers) -> None:
    await asyncio.sleep(0.5)
    await servers.cut()  # including the blocker


async def _thaw_soon(servers: Servers) -> None:
    await asyncio.sleep(1.0)
    await servers.signal_backends(signal.SIGCONT)


def _triggered(code: str) -> Act:
    async def begin(servers: Servers) -> None:
        await servers.run(TRIGGER.format(code=code))

    return begin


async def _no_trigger(servers: Servers) -> None:
    await servers.run("DROP TRIGGER refuse_all ON agent_sessions")


def _refuses(refusal: Refusal) -> Act:
    async def begin(servers: Servers) -> None:
        await asyncio.to_thread(valkey_refusals.tell, servers.valkey.as_user, refusal.begin)

    return begin


async def _fresh(servers: Servers) -> None:
    servers.valkey.kill()
    await servers.valkey.start()


async def _kill_valkey(servers: Servers) -> None:
    servers.valkey.kill()


async def _freeze_valkey(servers: Servers) -> None:
    servers.valkey.freeze()


async def _fail_to_save(servers: Servers) -> None:
    valkey = servers.valkey
    await asyncio.to_thread(valkey_refusals.fail_to_save, valkey.url, valkey.folder)


async def _save_again(servers: Servers) -> None:
    valkey = servers.valkey
    await asyncio.to_thread(valkey_refusals.save_again, valkey.url, valkey.folder)


async def _cut_valkey_while_asked(servers: Servers) -> None:
    for _ in range(20):
        await asyncio.sleep(0.02)
        with suppress(RedisError, OSError):
            await servers.tell_valkey("CLIENT", "KILL", "TYPE", "normal")


def _settings(**values: str) -> Act:
    async def begin(servers: Servers) -> None:
        await servers.settings(**values)

    return begin


async def _reset(servers: Servers) -> None:
    await servers.reset()


async def _refuse(servers: Servers) -> None:
    await servers.refuse_connections()


async def _lock(servers: Servers) -> None:
    await servers.lock()


async def _unlock(servers: Servers) -> None:
    await servers.unlock()


async def _freeze(servers: Servers) -> None:
    await servers.signal_backends(signal.SIGSTOP)


async def _spoil(servers: Servers) -> None:
    await servers.spoil()


FAULTS = (
    Fault("PostgreSQL takes no connections", _refuse, _reset),
    Fault("PostgreSQL is read-only", _settings(default_transaction_read_only="on"), _reset),
    Fault("the statement takes too long", _settings(statement_timeout="1"), _reset, slow=True),
    Fault("the tables are missing", _settings(search_path="nowhere"), _reset),
    Fault("the rights are missing", _settings(role=STRANGER), _reset),
    Fault("a deadlock", _triggered("40P01"), _no_trigger),
    Fault("a disk that is full", _triggered("53100"), _no_trigger, slow=True),
    Fault("an error inside the server", _triggered("XX000"), _no_trigger),
    Fault("a row that another trigger refuses", _triggered("P0001"), _no_trigger, slow=True),
    Fault("connections cut in mid-statement", _lock, _unlock, _cut_while_waiting),
    Fault("PostgreSQL frozen for a moment", _freeze, nothing, _thaw_soon, slow=True),
    Fault("a lock that lasts", _lock, _unlock, slow=True),
    Fault("Valkey stopped", _kill_valkey, _fresh, of_valkey=True),
    Fault("Valkey restarted", _fresh, of_valkey=True, slow=True),
    Fault("Valkey frozen", _freeze_valkey, _fresh, of_valkey=True, slow=True),
    *(
        Fault(r.name, _refuses(r), _fresh, of_valkey=True, slow=r is valkey_refusals.NOAUTH)
        for r in valkey_refusals.BY_COMMAND
    ),
    Fault("MISCONF", _fail_to_save, _save_again, of_valkey=True, slow=True),
    Fault("WRONGTYPE", _spoil, _fresh, of_valkey=True),
    Fault("Valkey cut in mid-answer", nothing, _fresh, _cut_valkey_while_asked, of_valkey=True),
)

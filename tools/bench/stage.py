"""Servers and databases that both variants share."""

from __future__ import annotations

import os
import platform
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
import redis.asyncio
from psycopg import sql
from psycopg_pool import AsyncConnectionPool

from agent_sessions import SessionManager, schema
from dashboard.embedded import Servers, postgres, running, valkey
from tools.bench.peers.whole_row import TABLE, WholeRowManager

POOL = 8
VALKEY_POOL = 32
DATA_DIR = Path(os.environ.get("BENCH_DATA_DIR", ".data/bench")).resolve()

# Our schema, twice; without its triggers; only the nine columns, as in the replaced system.
GUARDED, SECOND, UNGUARDED, OLD = "bench_guarded", "bench_second", "bench_unguarded", "bench_old"


@dataclass
class Stage:
    server: str
    valkey_url: str
    databases: set[str] = field(default_factory=set)

    @property
    def scale(self) -> float:
        """BENCH_SCALE=0.01 shrinks the rows of millions for a quick run."""
        return float(os.environ.get("BENCH_SCALE", "1"))

    @property
    def seconds(self) -> float:
        return float(os.environ.get("BENCH_SECONDS", "3"))

    def url(self, database: str) -> str:
        parts = urlsplit(self.server)
        return urlunsplit(parts._replace(path=f"/{database}"))

    def prepare(self, database: str) -> None:
        """Recreates the database at the first call of a run."""
        if database in self.databases:
            return
        self.recreate(database)
        if database == OLD:
            self.execute(database, TABLE)
        else:
            schema.migrate(self.url(database))
        if database == UNGUARDED:
            self.execute(database, WITHOUT_TRIGGERS)

    def recreate(self, database: str) -> None:
        name = sql.Identifier(database)
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        self.databases.add(database)

    def drop_databases(self) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            for database in self.databases:
                name = sql.Identifier(database)
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        self.databases.clear()

    def execute(self, database: str, text: Any, parameters: Any = None) -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(text, parameters)

    def fetch(self, database: str, text: Any, parameters: Any = None) -> list[Any]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            return connection.execute(text, parameters).fetchall()

    def value(self, database: str, text: Any, parameters: Any = None) -> Any:
        return self.fetch(database, text, parameters)[0][0]

    def settle(self, database: str) -> None:
        """Vacuums and checkpoints now, so that neither happens during a comparison."""
        self.execute(database, "VACUUM (ANALYZE) agent_sessions")
        self.execute(database, "CHECKPOINT")

    def forget(self) -> None:
        with redis.Redis.from_url(self.valkey_url) as client:
            client.flushdb()

    @asynccontextmanager
    async def pool(
        self, database: str, size: int = POOL
    ) -> AsyncIterator[AsyncConnectionPool[Any]]:
        async with AsyncConnectionPool(
            self.url(database), min_size=size, max_size=size, open=False, timeout=120,
            kwargs={"autocommit": True},
        ) as pool:  # fmt: skip
            await pool.wait()
            yield pool

    @asynccontextmanager
    async def client(self) -> AsyncIterator[redis.asyncio.Redis]:
        connections = redis.asyncio.BlockingConnectionPool.from_url(
            self.valkey_url, max_connections=VALKEY_POOL, timeout=None
        )
        async with redis.asyncio.Redis.from_pool(connections) as client:
            yield client

    @asynccontextmanager
    async def ours(self, database: str = GUARDED, **settings: Any) -> AsyncIterator[SessionManager]:
        self.prepare(database)
        async with (
            self.pool(database) as pool,
            self.client() as client,
            SessionManager(client, pool, **settings) as manager,
        ):
            yield manager

    @asynccontextmanager
    async def theirs(self, database: str = OLD) -> AsyncIterator[WholeRowManager]:
        self.prepare(database)
        async with self.pool(database) as pool, self.client() as client:
            yield WholeRowManager(client, pool, namespace="old")

    def facts(self) -> list[str]:
        with redis.Redis.from_url(self.valkey_url) as client:
            answering = client.info("server")
        kind = "Valkey" if "valkey_version" in answering else "Redis"
        cache = f"{kind} {answering[f'{kind.lower()}_version']}"
        with psycopg.connect(self.server) as connection:
            shown = [
                f"{name} {connection.execute(f'SHOW {name}').fetchone()[0]}"  # type: ignore[index]
                for name in ("fsync", "synchronous_commit", "shared_buffers")
            ]
            server = connection.execute("SHOW server_version").fetchone()
        libraries = [f"{name} {version(name)}" for name in ("psycopg", "redis", "msgspec")]
        return [
            f"{os.cpu_count()} cores ({_processor()}), {_memory():.0f} GiB, {platform.system()}",
            f"Python {platform.python_version()}, {', '.join(libraries)}",
            f"PostgreSQL {server[0] if server else '?'} ({', '.join(shown)}), {cache}",
        ]


WITHOUT_TRIGGERS = """
DO $$
DECLARE t record;
BEGIN
    FOR t IN SELECT tgname, tgrelid::regclass AS relation FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.relation);
    END LOOP;
END $$
"""


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


@contextmanager
def stage() -> Iterator[Stage]:
    """The servers of DATABASE_URL and VALKEY_URL, else embedded ones with durable settings."""
    database_url, valkey_url = os.environ.get("DATABASE_URL"), os.environ.get("VALKEY_URL")
    servers = Servers(DATA_DIR, database=not database_url, valkey=not valkey_url)
    with running(servers):
        ready = Stage(database_url or postgres.url(DATA_DIR), valkey_url or valkey.url(DATA_DIR))
        try:
            yield ready
        finally:
            ready.drop_databases()

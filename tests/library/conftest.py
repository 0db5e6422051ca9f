"""Fixtures for every store: in memory, Valkey alone, PostgreSQL alone, and both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest
import redis.asyncio

from agent_sessions import AgentSession, SessionManager

STORES = ("memory", "valkey", "postgres", "both")

Make = Callable[..., Awaitable[SessionManager]]


@pytest.fixture
async def another(database_url: str, valkey_url: str) -> AsyncIterator[Make]:
    """`await another()` creates a manager as in another process, with its own pool and client."""
    made: list[SessionManager] = []

    async def make(
        *, database: bool = True, valkey: bool = True, valkey_url: str = valkey_url, **settings: Any
    ) -> SessionManager:
        settings = {"retry_seconds": 0.5, **settings}
        manager = await SessionManager.connect(
            database_url if database else None, valkey_url if valkey else None, **settings
        )
        made.append(manager)
        return manager

    yield make
    for manager in made:
        await manager.close()


@pytest.fixture(params=STORES)
async def anywhere(request: pytest.FixtureRequest, another: Make) -> SessionManager:
    """A manager for each of the stores in turn."""
    store = request.param
    return await another(database=store in ("postgres", "both"), valkey=store in ("valkey", "both"))


@pytest.fixture(params=("postgres", "both"))
async def durable(request: pytest.FixtureRequest, another: Make) -> SessionManager:
    """A manager with PostgreSQL, without and with Valkey."""
    return await another(valkey=request.param == "both")


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection as in psql."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def session(manager: SessionManager) -> AgentSession:
    return await manager.create_session("grader", "frau.keller", {"class": "7b"}, {"school": "IGS"})


@pytest.fixture
async def valkey(redis_client: redis.asyncio.Redis) -> redis.asyncio.Redis:
    return redis_client

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.test import Client
from psycopg.conninfo import make_conninfo
from pytest_django import Settings

from dashboard import healthz
from tests.library.own_valkey import OwnValkey


def test_health_is_answered_to_anybody_whatever_the_host_name(database_url: str) -> None:
    answer = Client().get("/healthz", headers={"host": "10.1.2.3"})
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "valkey": "ok"}


def test_a_database_that_is_away_is_said_with_503(settings: Settings) -> None:
    settings.DATABASE_URL = "postgresql://nobody@127.0.0.1:1/none"
    answer = Client().get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["database"].startswith("unreachable: ")


def test_valkey_away_is_reported_and_fails_nothing(database_url: str, settings: Settings) -> None:
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    answer = Client().get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["valkey"].startswith("away: ")


@pytest.mark.parametrize(
    "command",
    [
        ("CONFIG", "SET", "maxmemory", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("REPLICAOF", "127.0.0.1", "1"),
        ("ACL", "SETUSER", "default", "-set"),
    ],
)
async def test_a_valkey_that_takes_no_writes_is_not_called_ok(
    database_url: str, settings: Settings, command: tuple[str, ...]
) -> None:
    own = OwnValkey()
    try:
        await own.start()
        with redis.Redis.from_url(own.url) as client:
            client.execute_command(*command)
        settings.VALKEY_URL = own.url
        answer = await asyncio.to_thread(Client().get, "/healthz")
        assert answer.status_code == 200
        assert answer.json()["valkey"].startswith("takes no writes: ")
    finally:
        own.remove()


def test_a_database_that_takes_no_writes_is_said_with_503(
    database_url: str, settings: Settings
) -> None:
    settings.DATABASE_URL = make_conninfo(
        database_url, options="-c default_transaction_read_only=on"
    )
    answer = Client().get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["database"] == "read-only: nothing can be stored"


def test_many_who_ask_at_once_share_one_look(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    now = [0.0]
    look = healthz.database_state

    def counted() -> str:
        looks.append(1)
        return look()

    monkeypatch.setattr(healthz, "database_state", counted)
    monkeypatch.setattr(healthz, "states", healthz.States(lambda: now[0]))
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: healthz.healthz().status_code, range(40)))
    assert set(statuses) == {200}
    assert len(looks) == 1
    now[0] = healthz.KEPT_SECONDS
    healthz.healthz()
    assert len(looks) == 2

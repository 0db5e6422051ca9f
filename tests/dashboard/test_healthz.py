from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis
from django.test import Client
from psycopg.conninfo import make_conninfo
from pytest_django import Settings

from dashboard import healthcheck, healthz, metrics
from tests.library.own_valkey import OwnValkey

TOKEN = "prometheus-reads-with-this"


def test_health_is_answered_to_anybody_whatever_the_host_name(database_url: str) -> None:
    answer = Client().get("/healthz", headers={"host": "10.1.2.3"})
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "database": "ok",
        "valkey": "ok",
        "watchdog": "never ran: start manage.py sweep",
    }


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
    look = healthz.database_states

    def counted() -> tuple[str, str]:
        looks.append(1)
        return look()

    monkeypatch.setattr(healthz, "database_states", counted)
    monkeypatch.setattr(healthz, "states", healthz.States(lambda: now[0]))
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: healthz.healthz().status_code, range(40)))
    assert set(statuses) == {200}
    assert len(looks) == 1
    now[0] = healthz.KEPT_SECONDS
    healthz.healthz()
    assert len(looks) == 2


def looked(database_url: str, seconds_ago: int) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO agent_session_monitors VALUES"
            " ('sweeper', now() - interval '1 day', now() - make_interval(secs => %s))",
            (seconds_ago,),
        )


@pytest.mark.parametrize(
    ("seconds_ago", "says", "watches", "code"),
    [(1, "ok", "1.0", 0), (90, "has not looked for 90 s", "0.0", 1)],
)
def test_a_watchdog_that_does_not_look_is_seen_in_health_and_figures(
    database_url: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    seconds_ago: int,
    says: str,
    watches: str,
    code: int,
) -> None:
    settings.METRICS_TOKEN = TOKEN
    looked(database_url, seconds_ago)
    monkeypatch.setattr(healthz, "states", healthz.States())
    monkeypatch.setattr(metrics, "states", healthz.states)
    answer = Client().get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["watchdog"].startswith(says)
    figures = (
        Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).content.decode()
    )
    assert f"sessions_watchdog_watches {watches}" in figures
    assert healthcheck.main(["sweep"]) == code


def test_without_a_look_the_watchdog_s_own_check_fails(database_url: str) -> None:
    assert healthcheck.main(["sweep"]) == 1


def test_a_check_of_the_watchdog_fails_while_the_database_is_away(settings: Settings) -> None:
    settings.DATABASE_URL = "postgresql://nobody@127.0.0.1:1/none"
    assert healthcheck.main(["sweep"]) == 1


def test_the_image_checks_the_role_that_its_first_process_has(tmp_path: Path) -> None:
    first = tmp_path / "cmdline"
    first.write_bytes(b"python\0manage.py\0sweep\0")
    assert healthcheck.role([], first) == "sweep"
    first.write_bytes(b"python\0-m\0dashboard.web\0")
    assert healthcheck.role([], first) == "web"
    assert healthcheck.role(["sweep"], first) == "sweep"
    assert healthcheck.main(["dance"]) == 2


@pytest.mark.parametrize(
    "header", [None, "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer ä"]
)
def test_figures_without_the_token_are_refused_by_a_status(
    db: None, settings: Settings, header: str | None
) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = Client().get("/metrics", headers={"authorization": header} if header else {})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")


def test_figures_are_read_by_token_under_any_host_name(db: None, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    settings.SECURE_SSL_REDIRECT = True
    headers = {"authorization": f"Bearer {TOKEN}", "host": "10.1.2.3"}
    answer = Client().get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert b"django_http_requests" in answer.content


def test_no_token_is_right_where_none_is_set(db: None, settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics", headers={"authorization": "Bearer "}).status_code == 401

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import Client
from pytest_django import Settings

from dashboard import healthz


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

from __future__ import annotations

from django.test import Client
from pytest_django import Settings


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

"""Responses while the database is unavailable."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from django.utils import translation

from agent_sessions import StorageUnavailable
from dashboard.database_errors import DatabaseErrorsMiddleware, away

AWAY = OperationalError("connection refused\nis the server running?")


@pytest.fixture
def english() -> object:
    with translation.override("en"):
        yield


def test_a_page_says_so_and_tries_again(english: None, rf: RequestFactory) -> None:
    answer = away(rf.get("/"), AWAY)
    text = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert '<meta http-equiv="refresh" content="5">' in text
    assert "What was confirmed is stored" in text
    assert "connection refused" not in text


def test_an_order_is_not_sent_again_by_itself(english: None, rf: RequestFactory) -> None:
    text = away(rf.post("/sessions/x/pauses/"), AWAY).content.decode()
    assert "refresh" not in text
    assert "It is not known whether your order was stored" in text


def test_the_api_gets_a_problem_document(english: None, rf: RequestFactory) -> None:
    answer = away(rf.get("/api/sessions"), AWAY)
    assert answer["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["status"] == 503


def test_other_errors_are_not_ours(rf: RequestFactory) -> None:
    middleware = DatabaseErrorsMiddleware(lambda request: None)  # type: ignore[arg-type,return-value]
    assert middleware.process_exception(rf.get("/"), ValueError("no")) is None


@pytest.mark.parametrize("error", [AWAY, StorageUnavailable("PostgreSQL did not answer")])
@pytest.mark.parametrize(
    "where", ["middleware after the view", "middleware before the view", "view"]
)
def test_wherever_in_a_request_the_database_goes_the_answer_is_503(
    db: None, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    def goes(*_: object, **__: object) -> None:
        raise error

    place = {
        "middleware after the view": "django.contrib.sessions.middleware.SessionMiddleware.process_response",
        "middleware before the view": "django_structlog.middlewares.request.RequestMiddleware.prepare",
        "view": "django.contrib.auth.forms.AuthenticationForm.__init__",
    }
    monkeypatch.setattr(place[where], goes)
    client = Client(raise_request_exception=False, headers={"Accept-Language": "en"})
    answer = client.get("/login/")
    assert answer.status_code == 503
    assert "The database cannot be reached" in answer.content.decode()


@pytest.mark.parametrize("table", ["agent_sessions", "django_session"])
def test_while_a_restore_has_not_come_to_a_table_the_answer_is_503(
    transactional_db: None, viewer: Any, client: Client, table: str
) -> None:
    client.force_login(viewer)
    client.raise_request_exception = False
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO not_yet")
    try:
        assert client.get("/").status_code == 503
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE not_yet RENAME TO {table}")
    assert client.get("/").status_code == 200


def test_an_error_of_another_kind_is_500(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def goes(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("django.contrib.auth.forms.AuthenticationForm.__init__", goes)
    client = Client(raise_request_exception=False, headers={"Accept-Language": "en"})
    answer = client.get("/login/")
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.content.decode()

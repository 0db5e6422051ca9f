"""What a request is answered with while the database is away."""

from __future__ import annotations

import json

import pytest
from django.db import OperationalError
from django.test import RequestFactory
from django.utils import translation

from dashboard.away import DatabaseAwayMiddleware, away

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
    middleware = DatabaseAwayMiddleware(lambda request: None)  # type: ignore[arg-type,return-value]
    assert middleware.process_exception(rf.get("/"), ValueError("no")) is None

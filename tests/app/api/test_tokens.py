"""A token has its user's permissions, as long as the token and the user are valid."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from sessions_app.models import AgentSession as Stored
from sessions_app.models import ApiToken

from .conftest import Api


def make(user: str, *options: str) -> str:
    out = io.StringIO()
    call_command("api_token", user, *options, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def test_it_is_made_shown_once_and_kept_as_a_hash(operator):
    token = make("olga", "--name", "backup")
    assert Api(token).get("/sessions").status_code == 200
    kept = ApiToken.objects.get()
    assert token not in (kept.digest, kept.name)
    assert len(kept.digest) == 64
    assert kept.last_used_at is not None


def test_a_second_one_of_the_same_name_is_refused(operator):
    make("olga", "--name", "backup")
    with pytest.raises(CommandError, match="backup"):
        make("olga", "--name", "backup")


def test_it_can_be_taken_away(operator):
    token = make("olga")
    make("olga", "--revoke")
    assert Api(token).get("/sessions").status_code == 401


def test_it_ends_when_it_was_to_end(operator):
    token = make("olga", "--days", "1")
    assert Api(token).get("/sessions").status_code == 200
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Api(token).get("/sessions").status_code == 401


def test_it_ends_with_its_user(operator):
    token = make("olga")
    operator.is_active = False
    operator.save()
    assert Api(token).get("/sessions").status_code == 401


def test_rights_withdrawn_are_withdrawn_from_it_too(operator):
    token = make("olga")
    operator.groups.clear()
    assert Api(token).get("/sessions").status_code == 403


@pytest.mark.parametrize("token", ["", "ags_", "x" * 5000, "ags_ \x00"])
def test_anything_else_opens_nothing(operator, token):
    make("olga")
    assert Api(token).get("/sessions").status_code == 401


def test_there_is_none_for_nobody(db):
    with pytest.raises(CommandError, match="ghost"):
        make("ghost")


def test_a_token_opens_the_description_of_the_api(operator):
    token = make("olga")
    answer = Client().get("/api/openapi.json", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert "/api/sessions" in answer.json()["paths"]
    answer = Client().get("/api/openapi.json", headers={"authorization": "Bearer ags_x"})
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert Client().get("/api/openapi.json").status_code == 401


@pytest.mark.parametrize("sent", ["Bearer unknown", "Basic abc", "x"])
def test_a_log_in_beside_another_authorization_does_not_count(
    operator: User, create: Any, sent: str
) -> None:
    """Nothing has checked the CSRF token then."""
    session = create()
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    at = f"/api/sessions/{session.session_id}/pauses"
    answer = client.post(at, {}, content_type="application/json", headers={"Authorization": sent})
    assert answer.status_code == 401
    assert client.post(at, {}, content_type="application/json").status_code == 403
    assert Stored.objects.get(pk=session.session_id).state == "active"

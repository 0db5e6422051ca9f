"""A required reason has something to read, wherever an order comes from."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from agent_sessions import InvalidInput, validation
from sessions_app import actions, models
from sessions_app.bulk import worker
from sessions_app.bulk.models import BulkJob

pytestmark = pytest.mark.django_db(transaction=True)

INVISIBLE = [
    "",
    " \t\n",
    "\u200b",
    "\u200b \u00a0\u2060",
    "\ufeff",
    "\u00ad",
    "\u3000\u2800",
    "\u3164\u115f\uffa0",
    "\u034f\ufe0f",
    "\u202e\u2069",
    "\x01\x7f",
    "\U000e0041",
]
VISIBLE = ["x", "…", "👍", "休憩", "a\u200b", "\u200bא\u0301", "€", "0"]


@pytest.fixture(autouse=True)
def _no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.background, "wake", lambda: None)


@pytest.mark.parametrize("reason", INVISIBLE)
def test_a_required_reason_without_a_visible_character_is_refused_everywhere(
    client: Client, operator: Any, create: Any, reason: str
) -> None:
    session = create()
    client.force_login(operator)
    address = f"/sessions/{session.session_id}"
    with pytest.raises(InvalidInput):
        actions.perform("fail", session.session_id, actor="olga", reason=reason)
    page = client.post(f"{address}/failures/", {"reason": reason, "request_id": str(uuid4())})
    assert page.status_code == 422
    api = client.post(f"/api{address}/failures", {"reason": reason}, "application/json")
    assert (api.status_code, api.json()["title"]) == (422, "invalid-input")
    client.post("/bulk/", {"verb": "fail", "id": [session.session_id]})
    job = BulkJob.objects.latest("created_at")
    client.post(f"/bulk/{job.id}/starts/", {"reason": reason})
    job.refresh_from_db()
    assert job.state == "draft"
    assert models.AgentSession.objects.get(pk=session.session_id).state == "active"


@pytest.mark.parametrize("reason", INVISIBLE)
def test_an_optional_reason_without_a_visible_character_is_none(create: Any, reason: str) -> None:
    session = create()
    actions.perform("pause", session.session_id, actor="olga", reason=reason)
    assert models.AgentSession.objects.get(pk=session.session_id).order_reason is None


@pytest.mark.parametrize("reason", VISIBLE)
def test_one_visible_character_is_enough(create: Any, reason: str) -> None:
    session = create()
    actions.perform("fail", session.session_id, actor="olga", reason=reason)
    assert models.AgentSession.objects.get(pk=session.session_id).order_reason == reason


@pytest.mark.parametrize("name", INVISIBLE)
def test_a_name_without_a_visible_character_is_refused(
    client: Client, operator: Any, name: str
) -> None:
    with pytest.raises(InvalidInput):
        validation.text(name, "name", required=True)
    client.force_login(operator)
    client.post("/views/", {"name": name, "query": "state=active"})
    assert not operator.savedview_set.exists()

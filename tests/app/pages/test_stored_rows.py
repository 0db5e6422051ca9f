"""Any values in a session's columns are refused by a check, or can be shown, steered and removed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import DataError, IntegrityError, InternalError, connection, transaction
from django.test import Client

from sessions_app import actions
from sessions_app.models import AgentSession
from sessions_app.watchdog import retention
from tests.app.pages.odd_rows import ODD, before_the_checks, insert

OF_ALL = (
    "/", "/?q=a", "/?q=context.a:1", "/?state=failed&state=deleted&sort=created", "/wall/", "/chart/?by=type",
    "/completions/?word=user:u", "/admin/sessions_app/agentsession/", "/api/sessions", "/views/counts/",
    "/api/history.csv?since=2026-01-01T00:00:00Z",
)  # fmt: skip
OF_ONE = (
    "/sessions/{id}/", "/sessions/{id}/panels/", "/sessions/{id}/timeline/", "/sessions/{id}/context/?find=a",
    "/sessions/{id}/context/?download=1", "/sessions/{id}/metadata/", "/sessions/{id}/compare/?a=1",
    "/sessions/{id}/edits/new/", "/sessions/{id}/edits/new/?part=metadata", "/sessions/{id}/rollbacks/new/?checkpoint=1",
    "/sessions/{id}/conversation/", "/admin/sessions_app/agentsession/{id}/change/", "/api/sessions/{id}",
    "/api/sessions/{id}/checkpoints", "/api/sessions/{id}/history", "/api/sessions/{id}/history.csv",
)  # fmt: skip


@pytest.fixture
def root(transactional_db: None, admin_client: Client) -> Client:
    return admin_client


def faults(client: Client, pages: tuple[str, ...], id: UUID) -> dict[str, str]:
    """Pages that fail, with their status. 404 is not a failure."""
    found = {}
    for page in pages:
        address = page.format(id=id)
        try:
            response = client.get(address)
            body = b"".join(response) if response.streaming else response.content
        except Exception as error:
            found[page] = repr(error)[:300]
            continue
        if response.status_code >= 500:
            found[page] = f"{response.status_code}: {body[:200]!r}"
    return found


def steer(id: UUID) -> None:
    """Gives every order that the session's state allows, and deletes it at the end."""
    for verb in ("pause", "resume", "fail", "delete", "restore", "delete"):
        state = AgentSession.objects.get(id=id).state
        if state in ("active", "paused", "deleted") or verb in ("delete", "restore"):
            if verb == "restore" and state != "deleted":
                continue
            if verb in ("pause", "resume", "fail") and state == "deleted":
                continue
            perform(verb, id)
    assert AgentSession.objects.get(id=id).state == "deleted"


def perform(verb: str, id: UUID) -> None:
    actions.perform(verb, id, actor="olga", reason="odd", source="page")


def purge(*ids: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agent_sessions SET ordered_at = now() - interval '90 days',"
            " updated_at = now() - interval '90 days' WHERE state = 'deleted'"
        )
    retention.purge(30, actor="olga", source="command", reason="odd")
    assert not AgentSession.objects.filter(id__in=ids).exists()


@pytest.mark.parametrize("name", ODD)
def test_a_row_from_before_the_checks_is_shown_steered_and_removed(name: str, root: Client) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        with before_the_checks(cursor):
            id = insert(cursor, ODD[name])
        other = insert(cursor, {"user_id": "paula"})
    assert faults(root, OF_ALL + OF_ONE, id) == {}
    assert "paula" in root.get("/").content.decode()
    steer(id)
    assert faults(root, ("/", "/sessions/{id}/", "/api/sessions/{id}/history.json"), id) == {}
    purge(id)
    assert AgentSession.objects.filter(id=other, state="active").exists()


@pytest.mark.parametrize("name", ODD)
def test_a_row_that_somebody_inserts_is_refused_or_shown_steered_and_removed(
    name: str, root: Client
) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            id = insert(cursor, ODD[name])
    except (IntegrityError, DataError, InternalError) as error:
        assert str(error).strip()
        return
    assert faults(root, OF_ALL + OF_ONE, id) == {}
    steer(id)
    purge(id)


REFUSED: dict[str, Any] = {
    "version": 2**63 - 1, "context_version": 0, "epoch": -1, "checkpoint_count": 2**31 - 1, "parts": -1,
    "created_at": None, "last_progress": "infinity", "ended_at": "-infinity", "ordered_at": "12026-01-01",
    "order_reason": "x" * 2001, "change_kind": "x" * 41,
}  # fmt: skip


@pytest.mark.parametrize("column", REFUSED)
def test_what_no_agent_can_mean_is_refused_by_a_check(column: str, root: Client) -> None:
    with connection.cursor() as cursor:
        id = insert(cursor, {})
        with pytest.raises(IntegrityError, match="violates check constraint"):
            cursor.execute(
                f"UPDATE agent_sessions SET {column} = %s WHERE id = %s", [REFUSED[column], id]
            )


def test_many_sessions_that_had_no_start_hide_no_other(root: Client) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        with before_the_checks(cursor):
            for _ in range(60):
                insert(cursor, {"created_at": None, "user_id": "nobody"})
            insert(cursor, {"created_at": "2026-01-01", "user_id": "paula"})
    page = root.get("/")
    assert "paula" in root.get(page.context["page"]["older_href"]).content.decode()

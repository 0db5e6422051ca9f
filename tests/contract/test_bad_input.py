"""Every bad input gets its exact message, and no stored data is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.test import Client

from sessions_app import manager_portal
from tests.conftest import EMPTY_SESSIONS
from tests.contract.bad_input import CASES
from tests.contract.bad_input.case import Case, Place, Stored


@pytest.fixture(scope="module")
def operator_of_all(migrated: str, django_db_blocker: Any) -> Iterator[Client]:
    """One user for the whole table: creating one costs more than a request."""
    from django.contrib.auth.models import Group, User

    from sessions_app.permissions import ensure_groups

    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute(EMPTY_SESSIONS)
    with django_db_blocker.unblock():
        manager_portal.portal.close()
        ensure_groups()
        user, _ = User.objects.get_or_create(username="hostile-olga")
        user.groups.set(Group.objects.filter(name="operators"))
        client = Client()
        client.force_login(user)
        yield client
        user.delete()
        manager_portal.portal.close()


@pytest.fixture
def place(operator_of_all: Client, migrated: str) -> Place:
    session = manager_portal.call(lambda m: m.create_session("grader", "lea", {"class": "7b"}))
    client = Client()
    client.cookies = operator_of_all.cookies
    return Place(session, client, migrated, str(settings.VALKEY_URL))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_bad_input_gets_its_message_and_loses_nothing(place: Place, case: Case) -> None:
    before = place.stored()
    answer = case.give(place)
    assert answer.replace(place.id, "{id}") == case.says
    after = place.stored()
    if case.becomes == "active":
        assert after == before
    else:  # an order in an odd form is still an order
        [state] = [row["state"] for row in after.sessions if str(row["id"]) == place.id]
        assert state == case.becomes
        assert without_order(after, place.id) == without_order(before, place.id)
        missing = [c for c in before.checkpoints if c not in after.checkpoints]
        assert missing == []


def without_order(stored: Stored, session_id: str) -> list[dict[str, Any]]:
    """The rows of all sessions; of this one only the columns that an order does not change."""
    own = ("id", "agent_type", "user_id", "context", "metadata", "created_at", "last_heartbeat")
    return [
        {name: row[name] for name in own} if str(row["id"]) == session_id else row
        for row in stored.sessions
    ]


def test_the_table_is_long_and_names_each_once() -> None:
    assert len(CASES) >= 216
    assert len({case.what for case in CASES}) == len(CASES)

"""What is hostile or broken is answered in words and changes nothing that it should not; nothing is a 500."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from sessions_app import bridge
from tests.chaos.hostile_web import HOSTILE, Hostile

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@pytest.fixture(scope="module")
def operator_of_all(migrated: str, django_db_blocker: Any) -> Iterator[User]:
    """One person for the whole table: making one anew costs more than a request."""
    from django.contrib.auth.models import Group, User

    from sessions_app.rights import ensure_groups

    with django_db_blocker.unblock():
        ensure_groups()
        user = User.objects.create_user("hostile-olga")
        user.groups.set(Group.objects.filter(name="operators"))
        yield user
        bridge.bridge.close()
        user.delete()


@pytest.mark.parametrize("case", HOSTILE, ids=str)
def test_a_hostile_request_is_answered_in_words(operator_of_all: User, case: Hostile) -> None:
    client = Client()
    client.force_login(operator_of_all)
    session = bridge.call(lambda m: m.create_session("grader", "lea", {"class": "7b"}))
    answer = case.ask(client, session.session_id)
    text = answer.content.decode()
    assert answer.status_code == case.status, text[:2000]
    assert case.says in text
    assert "Traceback" not in text


def test_the_table_is_long_and_names_each_once() -> None:
    assert len(HOSTILE) >= 40
    assert len({case.what for case in HOSTILE}) == len(HOSTILE)

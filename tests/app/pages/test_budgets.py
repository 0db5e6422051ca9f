"""The number of queries of each page, which is independent of the size of the tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from agent_sessions import AgentSession
from sessions_app.bulk.models import BulkItem, BulkJob
from sessions_app.saved_views.models import SavedView

Make = Callable[..., AgentSession]
Grow = Callable[[int], str]
LITTLE, MUCH = 2, 14
CHANGELIST = "/admin/sessions_app/agentsession/"

# Two of each load the user and the permissions; two of "searched inside" are the savepoint's, which
# only a test needs.
BUDGETS = {
    "list": 5,
    "list, searched inside": 9,
    "trash": 6,
    "wall": 4,
    "wall of a view": 5,
    "saved views": 6,
    "their counts": 4,
    "conversations": 2,
    "session": 7,
    "panels": 7,
    "conversation of a session": 4,
    "session as it was": 7,
    "time axis": 8,
    "compare": 7,
    "bulk order": 7,
    "admin changelist": 5,
    "admin change form": 5,
}


class Tables:
    """Fills the tables step by step; each method returns the URL to request."""

    def __init__(self, make_session: Make, owner: User) -> None:
        self._make = make_session
        self._owner = owner
        self.first = make_session()

    def sessions(self, path: str) -> Grow:
        def grow(count: int) -> str:
            for n in range(count):
                self._make(user_id=f"maria{n}", checkpoints=("marked",))
            return path

        return grow

    def deleted(self, count: int) -> str:
        self.sessions("")(count)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE agent_sessions SET state = 'deleted'")
        return "/?state=deleted"

    def views(self, path: str) -> Grow:
        def grow(count: int) -> str:
            for n in range(count):
                query = ("state=failed", "type=grader&state=late", "q=maria")[n % 3]
                view, _ = SavedView.objects.get_or_create(
                    owner=self._owner, name=f"view {count} {n}", query=query
                )
            return path.format(id=view.id)

        return grow

    def session(self, path: str) -> Grow:
        def grow(count: int) -> str:
            names = tuple(f"essay_{n % 3}" for n in range(count))
            made = self._make(context={"turns": list(range(count))}, checkpoints=names)
            return path.format(id=made.session_id)

        return grow

    def job(self, count: int) -> str:
        job = BulkJob.objects.create(verb="pause", actor="olga", owner=self._owner)
        for n in range(count):
            made = self._make()
            BulkItem.objects.create(
                job=job, n=n, session_id=made.session_id, agent_type="grader", version=1,
                outcome=("done", "failed", "waiting")[n % 3],
            )  # fmt: skip
        return f"/bulk/{job.id}/"


@pytest.mark.parametrize("page", BUDGETS)
def test_a_page_asks_for_as_much_however_much_there_is(
    page: str,
    client: Client,
    operator: User,
    make_session: Make,
    django_assert_max_num_queries: Any,
) -> None:
    client.force_login(operator)
    tables = Tables(make_session, operator)
    grow: dict[str, Grow] = {
        "list": tables.sessions("/"),
        "list, searched inside": tables.sessions("/?q=context.class:7b"),
        "trash": tables.deleted,
        "wall": tables.sessions("/wall/"),
        "wall of a view": tables.views("/wall/{id}/"),
        "saved views": tables.views("/?view={id}"),
        "their counts": tables.views("/views/counts/"),
        "conversations": tables.sessions("/conversations/"),
        "session": tables.session("/sessions/{id}/"),
        "panels": tables.session("/sessions/{id}/panels/"),
        "conversation of a session": tables.session("/sessions/{id}/conversation/"),
        "session as it was": tables.session("/sessions/{id}/at/?t=2040-01-01T00:00:00Z"),
        "time axis": tables.session("/sessions/{id}/timeline/"),
        "compare": tables.session("/sessions/{id}/compare/?a=1"),
        "bulk order": tables.job,
        "admin changelist": tables.sessions(CHANGELIST),
        "admin change form": tables.session(f"{CHANGELIST}{{id}}/change/"),
    }
    asked = []
    for count in (LITTLE, MUCH):
        path = grow[page](count)
        client.get(path)  # fills caches in memory and in Valkey
        with django_assert_max_num_queries(BUDGETS[page]) as captured:
            response = client.get(path)
        assert response.status_code == 200, path
        asked.append(len(captured))
    assert asked[0] == asked[1], "it grows with what there is"

"""A PostgreSQL whose processes are stopped: it keeps every connection open and answers nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from agent_sessions import AgentSession
from sessions_app import manager_portal
from sessions_app.api import tokens
from sessions_app.models import AgentSession as Stored

pytestmark = pytest.mark.django_db(transaction=True)
GIVEN_UP = 45.0


@contextmanager
def stopped(database_url: str) -> Iterator[None]:
    """Stops the server and its children. They go on after GIVEN_UP even if a request waits for them."""
    with psycopg.connect(database_url) as other:
        folder = other.execute("SHOW data_directory").fetchone()
    assert folder is not None
    server = int((Path(folder[0]) / "postmaster.pid").read_text().splitlines()[0])

    def send(number: signal.Signals) -> None:
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        for pid in (server, *map(int, children)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    connection.close()
    again = Timer(GIVEN_UP, send, [signal.SIGCONT])
    again.start()
    send(signal.SIGSTOP)
    try:
        yield
    finally:
        again.cancel()
        send(signal.SIGCONT)
        connection.close()


def test_each_request_is_answered_with_503_and_no_order_is_carried_out_later(
    database_url: str, operator: Any
) -> None:
    async def create(manager: Any) -> AgentSession:
        made: AgentSession = await manager.create_session("grader")
        return made

    session = manager_portal.call(create)
    token = {"Authorization": f"Bearer {tokens.make(operator, 'test')}"}
    address = f"/api/sessions/{session.session_id}"
    with stopped(database_url):
        assert Client().get("/login/").status_code == 503
        page = Client().get(address, headers=token)
        assert (page.status_code, page.json()["title"]) == (503, "storage-unavailable")
        order = Client().post(f"{address}/pauses", "{}", "application/json", headers=token)
        assert (order.status_code, order.json()["title"]) == (503, "storage-unavailable")
    assert Client().get(address, headers=token).json()["state"] == "active"
    assert Stored.objects.get(pk=session.session_id).version == session.version

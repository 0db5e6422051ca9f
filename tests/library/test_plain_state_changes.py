"""What a plain `UPDATE … SET state = …` of the agents' log-in does, as docs/operations.md says."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from agent_sessions import SessionManager
from tests.library.people import history
from tests.library.test_forgery import prepared, row
from tests.library.test_roles import agents, as_agent, logins  # noqa: F401

BECOME_ORDERS = [
    ("active", "paused", "pause"),
    ("active", "failed", "fail"),
    ("active", "completed", "complete"),
    ("active", "deleted", "delete"),
    ("ordered", "active", "resume"),
    ("completed", "deleted", "delete"),
    ("deleted", "active", "restore"),
]


@pytest.mark.parametrize(("how", "state", "verb"), BECOME_ORDERS)
async def test_it_is_an_order_in_the_name_of_the_log_in(
    manager: SessionManager,
    sql: psycopg.AsyncConnection[Any],
    as_agent: psycopg.Connection[Any],  # noqa: F811
    how: str,
    state: str,
    verb: str,
) -> None:
    id = await prepared(manager, sql, how)
    before = await row(sql, id)
    as_agent.execute("UPDATE agent_sessions SET state = %s WHERE id = %s", [state, id])
    after = await row(sql, id)
    assert (after["state"], after["order_verb"]) == (state, verb)
    assert (after["order_actor"], after["version"]) == (
        "agents_of_the_school",
        before["version"] + 1,
    )
    last = (await history(sql, id))[-1]
    assert (last["kind"], last["actor"], last["source"]) == (
        "order",
        "agents_of_the_school",
        "agent",
    )
    assert last["detail"]["verb"] == verb


@pytest.mark.parametrize(("how", "state"), [("completed", "active"), ("failed", "paused")])
async def test_it_brings_no_ended_session_back(
    manager: SessionManager,
    sql: psycopg.AsyncConnection[Any],
    as_agent: psycopg.Connection[Any],  # noqa: F811
    how: str,
    state: str,
) -> None:
    id = await prepared(manager, sql, how)
    before = await row(sql, id)
    with pytest.raises(psycopg.errors.CheckViolation, match="cannot become"):
        as_agent.execute("UPDATE agent_sessions SET state = %s WHERE id = %s", [state, id])
    assert await row(sql, id) == before

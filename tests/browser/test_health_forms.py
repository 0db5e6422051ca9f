"""Python, filters, SQL counts, time transitions and the browser agree on conditions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from agent_sessions.states import SessionState
from sessions_app.health import (
    CONDITIONS,
    PROGRESSED,
    Health,
    case_sql,
    condition_q,
    health,
    held_since,
    is_without_agent,
    limits_of,
    rules_parameter,
    rules_sql,
    silent_q,
)
from sessions_app.models import AgentSession
from sessions_app.numbers import milliseconds

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = {
    "default": {"late": 30, "lost": 120, "no_progress": 600},
    "tutor": {"late": 60, "no_progress": 90},
    "alert": {"late": 2, "lost": 5},
    # forbidden by the settings; the implementations agree nevertheless
    "hasty": {"late": 50, "lost": 40},
}
# Each limit, and a millisecond before and after it, because browsers count milliseconds.
EDGES = [s * 1000 + d for s in (2, 5, 30, 40, 50, 60, 90, 120, 600) for d in (-1, 0, 1)]
KNOWN = st.sampled_from([-5000, 0, 10**8, *EDGES]) | st.integers(-10_000, 700_000)
AGES = st.none() | KNOWN
MODULE = Path("static/js/core/health.js").read_text()
IN_THE_BROWSER = """async ([module, now, sessions]) => {
    const { healthOf } = await import(`data:text/javascript,${encodeURIComponent(module)}`);
    return sessions.map((data) => data.limits && healthOf(data, now, (from, to) => to - from));
}"""
INSERT = """
INSERT INTO agent_sessions (id, agent_type, user_id, state, context, checkpoints,
    last_heartbeat, last_progress, updated_at, created_at)
VALUES (%s, %s, 'maria', %s, '{}', '[]', %s, %s, %s, %s)
"""


@dataclasses.dataclass(frozen=True)
class Stored:
    """Ages in milliseconds, None for missing times."""

    state: str
    agent_type: str
    heartbeat: int | None
    progress: int | None
    updated: int | None
    created: int

    @property
    def last_heartbeat(self) -> datetime | None:
        return ago(self.heartbeat)

    @property
    def last_progress(self) -> datetime | None:
        """As each row of the list is read."""
        known = (self.progress, self.updated, self.created)
        return ago(next((age for age in known if age is not None), None))

    def columns(self) -> tuple[Any, ...]:
        ages = (self.heartbeat, self.progress, self.updated, self.created)
        return (self.agent_type, self.state, *map(ago, ages))


def ago(age: int | None) -> datetime | None:
    return None if age is None else NOW - timedelta(milliseconds=age)


SESSIONS = st.lists(
    st.builds(
        Stored,
        state=st.sampled_from([*(state.value for state in SessionState), "unheard-of"]),
        agent_type=st.sampled_from(["grader", *RULES]),
        heartbeat=AGES,
        progress=AGES,
        updated=AGES,
        created=KNOWN,
    ),
    min_size=1,
    max_size=40,
)


@given(sessions=SESSIONS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_forms_agree_on_every_session(db: None, page: Page, sessions: list[Stored]) -> None:
    expected = [health(session, RULES, NOW) for session in sessions]
    conditions = [each if each in CONDITIONS else "" for each in expected]
    with stored(sessions) as ids:
        assert by_filter(ids) == conditions
        assert by_case(ids) == conditions
        silent = set(AgentSession.objects.filter(silent_q(RULES, NOW)).values_list("id", flat=True))
        assert [id in silent for id in ids] == [
            is_without_agent(session, RULES, NOW) for session in sessions
        ]
    assert in_the_browser(page, sessions) == [
        "" if each == Health.NOT_WATCHED else each for each in expected
    ]
    for session in sessions:
        begins_when_it_is_said_to(session)


@contextmanager
def stored(sessions: list[Stored]) -> Iterator[list[UUID]]:
    """Stores the rows as they are, without triggers, and removes them afterwards."""
    ids = [UUID(int=n) for n in range(1, len(sessions) + 1)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for id, session in zip(ids, sessions, strict=True):
            cursor.execute(INSERT, [id, *session.columns()])
        yield ids
        transaction.set_rollback(True)


def by_filter(ids: list[UUID]) -> list[str]:
    everything = AgentSession.objects.annotate(progressed=PROGRESSED)
    found: dict[UUID, str] = {}
    for condition in CONDITIONS:
        for id in everything.filter(condition_q(condition, RULES, NOW)).values_list(
            "id", flat=True
        ):
            assert id not in found, "a session has one condition"
            found[id] = condition
    return [found.get(id, "") for id in ids]


def by_case(ids: list[UUID]) -> list[str]:
    judged = case_sql("s", "r", now="%(now)s::timestamptz")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH rules AS (SELECT * FROM {rules_sql("r")})
            SELECT s.id, {judged} FROM agent_sessions s JOIN rules r ON r.agent_type = CASE
                WHEN s.agent_type IN (SELECT agent_type FROM rules) THEN s.agent_type ELSE '' END
            """,
            {"rules": rules_parameter(RULES), "now": NOW},
        )
        found = dict(cursor.fetchall())
    return [found[id] for id in ids]


def in_the_browser(page: Page, sessions: list[Stored]) -> list[str]:
    """The conditions according to the browser, from a row's limits and times as the template writes them."""
    rows = [
        {
            "limits": limits_of(session, RULES),
            "heartbeat": str(milliseconds(session.last_heartbeat) or ""),
            "progress": str(milliseconds(session.last_progress) or ""),
        }
        for session in sessions
    ]
    found: list[str] = page.evaluate(IN_THE_BROWSER, [MODULE, milliseconds(NOW), rows])
    return found


def begins_when_it_is_said_to(session: Stored) -> None:
    """Asserts that the session has one of the conditions when `held_since` says, and none of them just before."""
    now = health(session, RULES, NOW)
    for wanted in ({"late"}, {"lost"}, {"late", "lost"}, {"no_progress"}):
        since = held_since(wanted, session, RULES, NOW)
        assert (since is not None) == (now in wanted and session.last_heartbeat is not None)
        if since is not None:
            assert health(session, RULES, since) in wanted
            assert health(session, RULES, since - timedelta(microseconds=1)) not in wanted

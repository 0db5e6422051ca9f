"""What is compared with the database every ten seconds."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from sessions_app.live.state.queries import versions

INSERT = """
INSERT INTO agent_sessions (id, agent_type, last_heartbeat)
VALUES (%s, 'grader', '2026-03-02T08:00:00.1237Z')
"""


@pytest.mark.django_db(transaction=True)
def test_a_beat_is_not_newer_for_having_been_stored(database_url: str) -> None:
    """If it were rounded up, every comparison would send every heartbeat to every page again."""
    session_id = str(uuid.uuid4())
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(INSERT, (session_id,))
    assert versions([session_id])[session_id][1] % 1000 == 123

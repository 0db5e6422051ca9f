"""The prefix search for users uses the index with any collation of the database."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from agent_sessions import schema

NAME = "with_another_collation"
FILL = """
INSERT INTO agent_sessions (id, agent_type, user_id, context, checkpoints, last_heartbeat)
SELECT gen_random_uuid(), 'grader', 'user' || n, '{}', '[]', now() FROM generate_series(1, 3000) n
"""


@pytest.fixture
def elsewhere(database_url: str) -> Iterator[str]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        connection.execute(
            f"CREATE DATABASE {NAME} TEMPLATE template0 ENCODING 'UTF8'"
            " LOCALE_PROVIDER libc LOCALE 'C.UTF-8'"
        )
        yield urlunsplit(urlsplit(database_url)._replace(path=f"/{NAME}"))
        connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


@pytest.mark.parametrize("condition", ["user_id LIKE 'user77%'", "user_id = 'user77'"])
def test_the_index_answers(elsewhere: str, condition: str) -> None:
    schema.migrate(elsewhere)
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute(FILL)
        connection.execute("ANALYZE agent_sessions")
        asked = f"EXPLAIN SELECT id FROM agent_sessions WHERE {condition} ORDER BY created_at DESC, id DESC LIMIT 51"
        plan = str(connection.execute(asked).fetchall())
    assert "agent_sessions_by_user" in plan and "Index Cond" in plan, plan

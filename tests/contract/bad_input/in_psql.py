"""Bad input in psql: the database refuses invalid rows."""

from __future__ import annotations

import psycopg

from tests.contract.bad_input.case import Case, Give, Place


def sets(edit: str) -> Give:
    def give(place: Place) -> str:
        with psycopg.connect(place.database_url) as connection:
            try:
                connection.execute(f"UPDATE agent_sessions SET {edit} WHERE id = %s", (place.id,))
            except psycopg.Error as error:
                return f"{type(error).__name__}: {error.diag.message_primary}"
        return "taken"

    return give


UNREADABLE = (
    'CheckViolation: new row for relation "agent_sessions" violates check constraint'
    ' "agent_sessions_times_are_readable"'
)

CASES = [
    Case("an unknown state by hand", sets("state = 'sleeping'"), "CheckViolation: unknown session state 'sleeping'"),
    Case("no state by hand", sets("state = NULL"), "CheckViolation: unknown session state NULL"),
    Case("an empty state by hand", sets("state = ''"), "CheckViolation: unknown session state ''"),
    Case("a context that is a list, by hand", sets("context = '[]'"), "CheckViolation: the context of a session must be a JSON object"),
    Case("a context that is JSON's null, by hand", sets("context = 'null'"), "CheckViolation: the context of a session must be a JSON object"),
    Case("no context by hand", sets("context = NULL"), "CheckViolation: the context of a session must be a JSON object"),
    Case("checkpoints that are an object, by hand", sets("checkpoints = '{}'"), "CheckViolation: the checkpoints of a session must be a JSON array"),
    Case("no checkpoints by hand", sets("checkpoints = NULL"), "CheckViolation: the checkpoints of a session must be a JSON array"),
    Case("a heartbeat at the end of time", sets("last_heartbeat = 'infinity'"), UNREADABLE),
    Case("created before all time", sets("created_at = '-infinity'"), UNREADABLE),
    Case("updated 4000 years before Christ", sets("updated_at = '4000-01-01 BC'"), UNREADABLE),
]  # fmt: skip

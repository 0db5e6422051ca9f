"""The agent types to whose sessions a user is limited, by a limit of the user or of all groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# A user's own limit counts instead of those of groups. Of several groups the types of all count, and one group without a
# limit lifts them. NULL: all types.
AGENT_TYPES_SQL = """
CASE WHEN EXISTS (SELECT 1 FROM sessions_app_agenttypelimit WHERE user_id = auth_user.id) THEN
    (SELECT agent_types FROM sessions_app_agenttypelimit WHERE user_id = auth_user.id)
ELSE (
    SELECT CASE WHEN bool_and(l.id IS NOT NULL) THEN array_agg(t.name) END
    FROM auth_user_groups m
    LEFT JOIN sessions_app_agenttypelimit l ON l.group_id = m.group_id
    LEFT JOIN LATERAL unnest(l.agent_types) AS t(name) ON true
    WHERE m.user_id = auth_user.id)
END
"""
LOADED = "limited_agent_types"
NOT_LOADED: Any = object()


def agent_types_of(user: User) -> frozenset[str] | None:
    """Queried where the user was not loaded with them (`auth_backends.with_permissions`)."""
    found = getattr(user, LOADED, NOT_LOADED)  # a request's user is a lazy object
    if found is NOT_LOADED:
        found = _read(user.pk)
    return None if found is None else frozenset(found)


def _read(user_id: Any) -> list[str] | None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {AGENT_TYPES_SQL} FROM auth_user WHERE id = %s", [user_id])  # noqa: S608
        row = cursor.fetchone()
    return row[0] if row else []

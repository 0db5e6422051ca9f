"""The feed's queries: versions, arrivals, and membership in lists. Run in the database thread."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from sessions_app.health import LIMITS
from sessions_app.models import AgentSession
from sessions_app.permissions import Access
from sessions_app.selectors.filters import ListFilter
from sessions_app.selectors.rows import Row, rows_by_id
from sessions_app.selectors.search_words import INSIDE

from .change_buffer import FirstSeen

Versions = dict[str, tuple[int, int]]

# A new session or another state may enter a list; a checkpoint brings no session into one.
_ARRIVED = """
SELECT DISTINCT h.session_id::text
FROM unnest(%s::uuid[], %s::bigint[]) AS c(id, first)
JOIN agent_session_history h ON h.session_id = c.id AND h.version >= c.first
WHERE h.from_state IS DISTINCT FROM h.to_state AND h.at > now() - interval '1 day'
"""
_ARRIVED_SINCE = """
SELECT session_id::text, extract(epoch FROM max(at))::float8
FROM agent_session_history
WHERE at > to_timestamp(%s) AND from_state IS DISTINCT FROM to_state
GROUP BY session_id ORDER BY 2 DESC LIMIT %s
"""
_VERSIONS = """
SELECT id::text, version, coalesce(floor(extract(epoch FROM last_heartbeat) * 1000), 0)::bigint
FROM agent_sessions WHERE id = ANY(%s)
"""
# Changes that may bring a session into a search inside it: its creation, another state, a change of the searched part,
# or its first checkpoint of that name.
_TOUCHED = """
SELECT DISTINCT h.session_id::text
FROM unnest(%(ids)s::uuid[], %(first)s::bigint[]) AS c(id, first)
JOIN agent_session_history h ON h.session_id = c.id AND h.version >= c.first
WHERE h.at > now() - interval '1 day' AND (
    h.from_state IS DISTINCT FROM h.to_state
    OR %(metadata)s AND h.kind IN ('metadata', 'edit')
    OR EXISTS (
        SELECT 1 FROM unnest(h.paths) AS changed(path), unnest(%(paths)s::text[]) AS wanted(path)
        WHERE starts_with(wanted.path || '.', changed.path || '.')
           OR starts_with(changed.path || '.', wanted.path || '.'))
    OR EXISTS (
        SELECT 1 FROM unnest(%(names)s::text[]) AS wanted(name)
        WHERE starts_with(h.checkpoint_name, wanted.name) AND NOT EXISTS (
            SELECT 1 FROM agent_session_checkpoints k
            WHERE k.session_id = h.session_id AND k.n < h.checkpoint_n AND starts_with(k.name, wanted.name))))
"""


def current_timeline() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT agent_session_timeline()")
        return str(cursor.fetchone()[0])


def arrived(candidates: Mapping[str, FirstSeen]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            _ARRIVED,
            [[UUID(i) for i in candidates], [heard.version for heard in candidates.values()]],
        )
        return {row[0] for row in cursor.fetchall()}


def arrived_since(since: float, most: int) -> dict[str, float]:
    """Sessions that were created or changed their state since then, with the time."""
    with connection.cursor() as cursor:
        cursor.execute(_ARRIVED_SINCE, [since, most])
        return dict(cursor.fetchall())


def hidden_ids(ids: Collection[str], access: Access) -> set[str]:
    """Sessions of agent types that the caller does not see. Ids of removed sessions are not among them."""
    found = AgentSession.objects.filter(id__in=[UUID(i) for i in ids])
    types = found.values_list("id", "agent_type")
    return {str(id) for id, agent_type in types if not access.allows(agent_type)}


def versions(ids: Sequence[str]) -> Versions:
    """id → version and last heartbeat in milliseconds, without ids that do not exist."""
    with connection.cursor() as cursor:
        cursor.execute(_VERSIONS, [[UUID(i) for i in ids]])
        return {session_id: (version, beat) for session_id, version, beat in cursor.fetchall()}


class Arrivals(NamedTuple):
    """Sessions with a new state and their rows, and whether each search inside sessions finds them now."""

    ids: set[str]
    rows: dict[str, Row]
    inside: dict[ListFilter, dict[str, bool]]


def find_arrivals(candidates: Mapping[str, FirstSeen], deep: Collection[ListFilter]) -> Arrivals:
    came = arrived(candidates)
    inside = {wanted: found_inside(wanted, candidates) for wanted in deep}
    return Arrivals(came, rows_by_id(came), inside)


def members(wanted: ListFilter, ids: Collection[str]) -> set[str]:
    """Those of the ids that belong to the list now."""
    of_these = AgentSession.objects.filter(id__in=[UUID(i) for i in ids])
    return {str(i) for i in wanted.queryset(of_these).values_list("id", flat=True)}


def found_inside(wanted: ListFilter, candidates: Mapping[str, FirstSeen]) -> dict[str, bool]:
    """Whether sessions, whose change may matter to a search inside them, belong to its list now."""
    touched = _touched(wanted, candidates)
    inside = members(wanted, touched) if touched else set()
    return {session_id: session_id in inside for session_id in touched}


def _touched(wanted: ListFilter, candidates: Mapping[str, FirstSeen]) -> set[str]:
    keys = [group.key for group in wanted.groups if group.key.startswith(INSIDE)]
    names = [name for key, values in wanted.groups if key == "checkpoint" for name in values]
    values: dict[str, Any] = {
        "ids": [UUID(i) for i in candidates],
        "first": [heard.version for heard in candidates.values()],
        "metadata": any(key.startswith("metadata.") for key in keys),
        "paths": [key.partition(".")[2] for key in keys if key.startswith("context.")],
        "names": names,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TOUCHED, values)
        return {row[0] for row in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class _Facts:
    state: str
    agent_type: str
    last_heartbeat: datetime | None
    last_progress: datetime | None
    created_at: datetime | None
    read_at: datetime


def brought_by_time(
    wanted: ListFilter, since: float, shown: Iterable[str], most: int
) -> dict[str, float]:
    """Sessions that entered the list by time alone since then, with the time."""
    fields = ("state", "agent_type", "last_heartbeat", "progressed", "created_at", "read_at")
    known, begin = set(shown), datetime.fromtimestamp(since, UTC)
    found: dict[str, float] = {}
    latest_first = wanted.queryset(AgentSession.objects.all()).order_by(_clock_of(wanted))
    for session_id, *facts in latest_first.annotate(read_at=Now()).values_list("id", *fields)[
        : most + len(known)
    ]:
        moment = wanted.entered_at(_Facts(*facts))
        if moment is not None and moment >= begin and str(session_id) not in known:
            found[str(session_id)] = moment.timestamp()
    return found


def _clock_of(wanted: ListFilter) -> Any:
    """Orders by the time of the crossed limit, latest first."""
    values = {value for key, values in wanted.groups if key == "condition" for value in values}
    fields = (limit.field for limit in LIMITS if limit.condition in values)
    return F(next(fields, "created_at")).desc(nulls_last=True)

"""What the time axis shows: states, heartbeats, checkpoints, turns, orders, silences, as far as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Left

from agent_sessions.states import CHECKPOINT_NAMES, SessionState
from agent_sessions.stored_values import readable

from ..checkpoint_words import own_word
from ..choices import CONDITIONS, KINDS, SOURCES, STATES, VERBS
from ..listed_states import PAUSED, PAUSING, pause_verbs
from ..models import AgentSession, Blindness, Checkpoint
from ..numbers import BIGINT, milliseconds, whole
from .rows import Row
from .session import AUTOMATIC

MOMENTS = 5000
FLAGS = 2000
MARKS = 500
BLIND = 100
TAKEN_OVER = 10_000
AGENTS = frozenset({"agent", "old-agent"})
MARKED = frozenset({"order", "refused", "edit", "adopted"})
TURNS = "coalesce('turns' = ANY(paths), false)"
# All moments as numbers alone; the words only of those that say more than "something changed".
_MOMENTS = f"""
WITH newest AS (
    SELECT * FROM agent_session_history WHERE session_id = %(id)s
    ORDER BY version DESC, at DESC LIMIT %(most)s
), known AS (
    SELECT *, floor(extract(epoch FROM at) * 1000)::bigint + 1 AS in_force,
        source = ANY(%(agents)s) AS mine,
        {TURNS} AND %(content)s AS turn,
        kind = ANY(%(telling)s) OR row_number() OVER early = 1
            OR to_state IS DISTINCT FROM lag(to_state) OVER early AS telling
    FROM newest WINDOW early AS (ORDER BY version, at)
)
SELECT
    coalesce(json_agg(json_build_array(version, in_force, mine::int + 2 * (mine AND turn)::int)
        ORDER BY version, at), '[]'),
    coalesce(json_agg(json_build_object('version', version, 'at', at, 'in_force', in_force, 'kind', kind,
        'from_state', from_state, 'to_state', to_state, 'source', source,
        'verb', left(detail->>'verb', 40), 'obeyed', detail->'order_version',
        'why', CASE WHEN %(content)s THEN left(coalesce(reason, ''), 200) ELSE '' END, 'by', left(coalesce(actor, ''), 60))
        ORDER BY version, at) FILTER (WHERE telling), '[]')
FROM known
"""  # noqa: S608  (our own words)

Json = dict[str, Any]


def axis(row: Row, *, content: bool) -> Json:
    """All times in milliseconds since the epoch; lists oldest first. Reasons are content."""
    moments, telling = _moments(row.id, content)
    start = row.created_at or (telling[0]["at"] if telling else row.read_at)
    return {
        "now": milliseconds(row.read_at),
        "start": milliseconds(min([start, *(entry["at"] for entry in telling[:1])])),
        "end": milliseconds(row.ended_at),
        "beat": milliseconds(row.last_heartbeat),
        "limits": row.limits,
        "states": list(_bands(telling, start, _confirmed_at(row))),
        "moments": moments,
        "flags": _flags(row.id, {version: in_force for version, in_force, _ in moments}),
        "marks": [_mark(entry) for entry in telling if entry["kind"] in MARKED][-MARKS:],
        "silences": list(_silences(row.id)),
        "blind": list(_blind(start, row.read_at)),
        "cut": len(moments) == MOMENTS,
    }


def _moments(session_id: UUID, content: bool) -> tuple[list[list[int]], list[Json]]:
    """Each: version, its first whole millisecond in force, and whether it was the agent's (1), with a turn (2).

    What a change was about is content: without it no turns are marked.

    And, with its words, each that may have changed the state or is marked; the first one always.
    """
    asked: dict[str, Any] = {
        "id": session_id,
        "content": content,
        "most": MOMENTS,
        "agents": list(AGENTS),
        "telling": ["state", "acknowledged", *MARKED],
    }
    with connection.cursor() as cursor:
        cursor.execute(_MOMENTS, asked)
        moments, telling = cursor.fetchone()
    return moments, [{**entry, "at": datetime.fromisoformat(entry["at"])} for entry in telling]


def _confirmed_at(row: Row) -> datetime | None:
    """When the pause that is in force was confirmed. An old agent confirms it without an entry that says so."""
    if row.state != PAUSED or row.order_verb not in pause_verbs() or row.order_open:
        return None
    found = AgentSession.objects.filter(id=row.id)
    return found.values_list("acknowledged_at", flat=True).first()


def _bands(
    telling: Sequence[Json], start: datetime, confirmed_at: datetime | None
) -> Iterator[Json]:
    """A pause is one only from the moment the agent confirmed it."""
    state, since, pause = "", start, 0
    for entry in telling:
        if entry["kind"] == "order" and entry["verb"] in pause_verbs():
            pause = entry["version"]
        becomes = _state_after(entry, state, pause)
        if not state:
            state = entry["from_state"] or becomes
        if becomes != state:
            if entry["at"] > since:
                yield _band(state, since, entry["at"])
            state, since = becomes, max(entry["at"], since)
    if state == PAUSING and confirmed_at and confirmed_at >= since:
        yield _band(state, since, confirmed_at)
        state, since = PAUSED, confirmed_at
    if state:
        yield _band(state, since, None)


def _state_after(entry: Json, state: str, pause: int) -> str:
    """`pause`: the version of the newest order to pause, 0 where none is known."""
    becomes = str(entry["to_state"] or state or SessionState.ACTIVE)
    if becomes != PAUSED or entry["kind"] == "state":
        return becomes
    if entry["kind"] == "order" and entry["verb"] in pause_verbs():
        return PAUSING
    if entry["kind"] == "acknowledged" and entry["verb"] in pause_verbs():
        obeyed = entry["obeyed"]
        if not isinstance(obeyed, int) or obeyed >= pause:
            return becomes
    return PAUSING if state == PAUSING else becomes


def _band(state: str, since: datetime, until: datetime | None) -> Json:
    sign = CONDITIONS.get(state) or STATES.get(state)
    return {
        "state": state if sign else "deleted",
        "word": str(sign.word) if sign else state[:20],
        "halted": state in (PAUSING, PAUSED),
        "from": milliseconds(since),
        "to": milliseconds(until),
    }


def _mark(entry: Json) -> Json:
    verb = VERBS.get(entry["verb"] or "") if entry["kind"] == "order" else None
    words = verb.ordered if verb else None
    known = KINDS.get(entry["kind"])
    return {
        "version": entry["version"],
        "at": entry["in_force"],
        "kind": entry["kind"],
        "words": str(words or (known.word if known else entry["kind"][:40])),
        "by": entry["by"] or str(SOURCES.get(entry["source"], entry["source"][:40])),
        "why": entry["why"],
    }


def _flags(session_id: UUID, stored: Mapping[int, int]) -> list[list[Any]]:
    """Number, name, time, and whether it was made automatically."""
    found: Iterable[tuple[int, str, int, int, bool]] = (
        Checkpoint.objects.of(session_id)
        .annotate(
            short=Left("name", 80),
            claimed_at=RawSQL("floor(extract(epoch FROM at) * 1000)::bigint + 1", ()),
            itself=RawSQL("coalesce(metadata->>'automatic', '') <> ''", ()),
        )
        .newest_first()
        .values_list("n", "short", "claimed_at", "version", "itself")[:FLAGS]
    )
    flags = [
        [n, own_word(name) or name, _shown_at(at, stored.get(version)), itself or name in AUTOMATIC]
        for n, name, at, version, itself in found
    ]
    return flags[::-1]


def _shown_at(at: int, stored: int | None) -> int:
    """When it was stored, by the database's clock; one that was taken over later stands where its agent put it."""
    return stored if stored and abs(stored - at) < TAKEN_OVER else at


def _silences(session_id: UUID) -> Iterator[Json]:
    """Those that ended a session: how long it had been silent stands in its last checkpoint."""
    timeouts = Checkpoint.objects.filter(
        session_id=session_id, name=CHECKPOINT_NAMES["fail"], data__error="heartbeat_timeout"
    )
    for at, data in timeouts.order_by("n").values_list("at", "data")[:MARKS]:
        details = data.get("details")
        silent = details.get("silent_seconds") if isinstance(details, dict) else None
        if isinstance(silent, int) and 0 < silent < 10**9:
            yield {"from": milliseconds(at - timedelta(seconds=silent)), "to": milliseconds(at)}


def _blind(start: datetime, now: datetime) -> Iterator[Json]:
    """When no heartbeat could have been received: silence in that time proves nothing."""
    open_or_later = Q(ended_at=None) | Q(ended_at__gt=start)
    found = Blindness.objects.filter(open_or_later, started_at__lt=now).order_by("-started_at")
    for since, until in found.values_list("started_at", "ended_at")[:BLIND]:
        yield {"from": milliseconds(max(since, start)), "to": milliseconds(until)}


def parse_moment(text: str) -> datetime | None:
    """ISO 8601, or milliseconds since the epoch. None for what is no time."""
    try:
        if (number := whole(text, BIGINT)) is not None:
            return readable(datetime.fromtimestamp(number / 1000, UTC))
        moment = datetime.fromisoformat(text)
        return readable((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError, OSError):
        return None

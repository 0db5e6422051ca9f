"""Stored data is readable by old agents, and theirs by the library."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_sessions import AgentSession, InvalidInput, SessionCheckpoint, SessionState
from agent_sessions.clock import utc_now
from agent_sessions.new_session import new_session
from agent_sessions.validation import fingerprint, json_object
from agent_sessions.valkey_cache import copy_in

OLD: dict[str, Any] = {
    "session_id": "0f0e6a3a-6a0e-4b86-9d1a-5c7f9a1f2b3c",
    "agent_type": "tutor",
    "user_id": "emre",
    "state": "active",
    "created_at": "2025-03-01T08:00:00+00:00",
    "last_heartbeat": "2025-03-01T08:05:00+00:00",
    "context": {"question": "und in Enschede?"},
    "checkpoints": [{"name": "turn", "timestamp": "2025-03-01T08:01:00+00:00", "data": {"n": 1}}],
    "metadata": {"school": "IGS"},
}
OLD_KEYS = set(OLD)
TIMES = st.datetimes(
    min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)
STORABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**63 - 1, 2**66)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=8,
)
CHECKPOINTS = st.builds(
    SessionCheckpoint, name=st.text(min_size=1), timestamp=TIMES, data=OBJECTS, metadata=OBJECTS
)
SESSIONS = st.builds(
    AgentSession,
    agent_type=st.text(min_size=1, max_size=50),
    user_id=st.text(),
    state=st.sampled_from(SessionState),
    created_at=TIMES,
    last_heartbeat=TIMES,
    context=OBJECTS,
    checkpoints=st.lists(CHECKPOINTS, max_size=4),
    metadata=OBJECTS,
    version=st.integers(0, 10**12),
    order_verb=st.none() | st.sampled_from(["pause", "fail"]),
    ended_at=st.none() | TIMES,
)


def test_what_an_older_agent_stored_is_read() -> None:
    session = AgentSession.from_dict(OLD)
    assert session.session_id == OLD["session_id"]
    assert session.state is SessionState.ACTIVE
    assert session.created_at == datetime(2025, 3, 1, 8, tzinfo=UTC)
    assert session.checkpoints[0].data == {"n": 1}
    assert session.version == 0


def test_what_we_store_has_every_field_an_older_agent_reads_in_its_shape() -> None:
    stored = AgentSession.from_dict(OLD).to_dict()
    assert {key: stored[key] for key in OLD_KEYS} == OLD
    assert set(stored["checkpoints"][0]) == {"name", "timestamp", "data"}


def test_a_checkpoint_names_its_id_and_metadata_only_where_there_are_any() -> None:
    made = SessionCheckpoint("turn", datetime(2025, 1, 1, tzinfo=UTC), {"n": 1})
    assert made.to_dict() == {
        "name": "turn",
        "timestamp": "2025-01-01T00:00:00+00:00",
        "data": {"n": 1},
    }
    made.id, made.metadata = "x:7", {"by": "olga"}
    assert SessionCheckpoint.from_dict(made.to_dict()) == made
    assert made.n == 7


def test_a_deleted_session_can_be_read() -> None:
    assert AgentSession.from_dict(OLD | {"state": "deleted"}).state is SessionState.DELETED


@given(SESSIONS)
def test_every_session_survives_the_way_through_json(session: AgentSession) -> None:
    assert AgentSession.from_dict(json.loads(json.dumps(session.to_dict()))) == session


@given(STORABLE)
def test_valkeys_copy_is_read_to_the_last_digit(value: Any) -> None:
    context = {"value": value}
    session = new_session("grader", "emre", context, None, utc_now)
    text = session.to_json(json_object(context, "context"), "{}")
    copy = copy_in(text, session.session_id)
    assert copy is not None
    assert fingerprint(copy.context) == fingerprint(context)
    assert copy.to_dict() == json.loads(json.dumps(session.to_dict()))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"state": "sleeping"}, "'sleeping' is not a valid SessionState"),
        ({"session_id": "seven"}, "'seven' is no session id: a UUID is needed"),
        ({"created_at": "yesterday"}, "created_at 'yesterday' is no ISO 8601 time"),
        ({"created_at": None}, "created_at must be a time, not NoneType"),
        ({"checkpoints": [5]}, "no checkpoint: '5'"),
        ({"checkpoints": 5}, "no stored session: 'int' object is not iterable"),
    ],
)
def test_what_is_no_session_is_refused_with_a_reason(change: dict[str, Any], what: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        AgentSession.from_dict(OLD | change)
    assert what in str(refused.value)


def test_missing_fields_are_named() -> None:
    with pytest.raises(InvalidInput, match="agent_type"):
        AgentSession.from_dict({k: v for k, v in OLD.items() if k != "agent_type"})


def test_times_without_an_offset_are_taken_as_utc() -> None:
    session = AgentSession.from_dict(OLD | {"created_at": "2025-03-01T08:00:00"})
    assert session.created_at == datetime(2025, 3, 1, 8, tzinfo=UTC)


# --- how long a session took ---------------------------------------------------------------------------------

START = datetime(2025, 3, 1, 8, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)


def at_eight() -> tuple[AgentSession, Clock]:
    clock = Clock()
    return AgentSession("grader", created_at=START, last_heartbeat=START, clock=clock), clock


def test_a_living_session_lasts_until_now() -> None:
    session, clock = at_eight()
    clock.pass_(5)
    assert session.get_duration() == timedelta(minutes=5)
    session.pause()
    clock.pass_(5)
    assert session.get_duration() == timedelta(minutes=10)


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_an_ended_session_s_duration_does_not_grow_with_later_checkpoints(end: str) -> None:
    session, clock = at_eight()
    clock.pass_(5)
    session.complete() if end == "complete" else session.fail("why")
    clock.pass_(60)
    session.checkpoint("afterthought")
    session.heartbeat()
    assert session.get_duration() == timedelta(minutes=5)
    assert AgentSession.from_dict(session.to_dict()).get_duration() == timedelta(minutes=5)


def test_an_older_agent_s_ended_session_ends_with_its_own_checkpoint() -> None:
    stored = OLD | {
        "state": "completed",
        "checkpoints": [
            {"name": "session_completed", "timestamp": "2025-03-01T08:20:00+00:00", "data": {}},
            {"name": "afterthought", "timestamp": "2025-03-01T09:00:00+00:00", "data": {}},
        ],
    }
    assert AgentSession.from_dict(stored).get_duration() == timedelta(minutes=20)

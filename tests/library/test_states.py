"""The transitions: one table in Python and in SQL, and errors for everything else."""

from __future__ import annotations

from functools import partial
from itertools import product

import pytest

from agent_sessions import (
    FINAL_STATES,
    LIVE_STATES,
    TRANSITIONS,
    AgentSession,
    InvalidTransition,
    SessionManager,
    SessionState,
    UsageError,
)
from agent_sessions.states import result, sources
from tests.library.people import OLGA, Sql, rows

VERBS = ("pause", "resume", "complete", "fail")
FROM_SPECIFICATION = {
    ("active", "pause"): "paused",
    ("active", "complete"): "completed",
    ("active", "fail"): "failed",
    ("active", "delete"): "deleted",
    ("active", "rollback"): "active",
    ("paused", "resume"): "active",
    ("paused", "complete"): "completed",
    ("paused", "fail"): "failed",
    ("paused", "delete"): "deleted",
    ("paused", "rollback"): "active",
    ("completed", "rollback"): "active",
    ("completed", "delete"): "deleted",
    ("failed", "rollback"): "active",
    ("failed", "delete"): "deleted",
}


def test_the_states_are_the_strings_that_are_stored() -> None:
    assert [s.value for s in SessionState] == ["active", "paused", "completed", "failed", "deleted"]
    assert SessionState("deleted") is SessionState.DELETED
    assert f"{SessionState.ACTIVE}" == "active"
    assert LIVE_STATES | FINAL_STATES == set(SessionState) and not LIVE_STATES & FINAL_STATES


def test_the_table_is_the_one_of_the_specification() -> None:
    table = {(str(a), verb): str(b) for verb, row in TRANSITIONS.items() for a, b in row.items()}
    assert table == FROM_SPECIFICATION


def test_a_verb_has_a_result_if_it_leads_to_one_state_that_it_does_not_begin_in() -> None:
    results = {verb: result(verb) for verb in (*TRANSITIONS, "restore", "unknown")}
    assert {verb: state for verb, state in results.items() if state} == {
        "pause": "paused",
        "resume": "active",
        "complete": "completed",
        "fail": "failed",
        "delete": "deleted",
    }


def test_a_verb_of_an_application_with_two_ends_has_no_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two = {SessionState.ACTIVE: SessionState.COMPLETED, SessionState.PAUSED: SessionState.FAILED}
    monkeypatch.setitem(TRANSITIONS, "settle", two)
    assert result("settle") is None


def test_each_verb_has_the_states_in_which_it_may_be_used() -> None:
    found = {verb: sources(verb) for verb in (*TRANSITIONS, "restore")}
    assert found.pop("restore") == ["deleted"]
    wanted: dict[str, list[str]] = {}
    for state, verb in FROM_SPECIFICATION:
        wanted.setdefault(verb, []).append(state)
    assert found == wanted


async def test_sql_and_python_have_the_same_table(sql: Sql) -> None:
    """Except for rollback, which no UPDATE of a writer without verbs can mean."""
    allowed = {
        (a.value, b.value)
        for verb, row in TRANSITIONS.items()
        if verb != "rollback"
        for a, b in row.items()
    }
    for a, b in product(SessionState, SessionState):
        [found] = await rows(sql, "SELECT agent_session_may_go(%s, %s) AS may", a.value, b.value)
        assert found["may"] == ((a.value, b.value) in allowed), (a, b)


@pytest.mark.parametrize(("state", "verb"), list(product(SessionState, VERBS)))
def test_a_session_goes_where_the_table_leads_or_says_why_not(
    state: SessionState, verb: str
) -> None:
    session = AgentSession("grader", state=state)
    go = (lambda: session.fail("because")) if verb == "fail" else getattr(session, verb)
    result = {"pause": "paused", "resume": "active", "complete": "completed", "fail": "failed"}[
        verb
    ]
    if (state.value, verb) in FROM_SPECIFICATION:
        go()
        assert session.state == result
        assert len(session.checkpoints) == 1
    elif state == result:
        go()
        assert session.checkpoints == []
    else:
        with pytest.raises(InvalidTransition) as refused:
            go()
        assert str(refused.value) == f"cannot {verb} a session that is {state.value}"
        assert (refused.value.current, refused.value.verb) == (state.value, verb)
        assert (session.state, session.checkpoints) == (state, [])


def test_each_transition_writes_its_checkpoint() -> None:
    session = AgentSession("grader")
    session.pause()
    session.resume()
    session.fail("no paper", {"tray": 2})
    assert [(c.name, c.data) for c in session.checkpoints] == [
        ("session_paused", {"previous_state": "active"}),
        ("session_resumed", {}),
        ("session_failed", {"error": "no paper", "details": {"tray": 2}}),
    ]
    other = AgentSession("grader")
    other.complete({"essays": 12})
    assert other.checkpoints[-1].name == "session_completed"
    assert other.checkpoints[-1].data == {"result": {"essays": 12}}


async def test_a_session_begins_with_its_checkpoint(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("tutor", "emre")
    assert [(c.name, c.data) for c in session.checkpoints] == [
        ("session_created", {"agent_type": "tutor", "user_id": "emre"})
    ]
    stored = await anywhere.read(session.session_id)
    assert stored is not None
    assert stored.checkpoints == session.checkpoints


async def test_restoring_leads_to_the_state_before_the_deletion(anywhere: SessionManager) -> None:
    for verb in ("pause", "complete", "fail", None):
        session = await anywhere.create_session("tutor")
        before = session.state
        if verb == "fail":
            before = (await anywhere.fail(session.session_id, "why", **OLGA)).state
        elif verb:
            before = (await getattr(anywhere, verb)(session.session_id, **OLGA)).state
        await anywhere.delete(session.session_id, **OLGA)
        restored = await anywhere.restore(session.session_id, **OLGA)
        assert restored.state == before
        with pytest.raises(InvalidTransition, match=f"cannot restore a session that is {before}"):
            await anywhere.restore(session.session_id, **OLGA)


async def test_the_same_order_again_is_harmless_and_another_on_an_ended_session_is_an_error(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("tutor")
    first = await anywhere.complete(session.session_id, {"a": 1}, **OLGA)
    again = await anywhere.complete(session.session_id, {"a": 2}, **OLGA)
    assert again.version == first.version
    for verb in ("pause", "resume"):
        with pytest.raises(InvalidTransition, match=f"cannot {verb} a session that is completed"):
            await getattr(anywhere, verb)(session.session_id, **OLGA)
    with pytest.raises(InvalidTransition, match="cannot fail a session that is completed"):
        await anywhere.fail(session.session_id, "why", **OLGA)
    stored = await anywhere.read(session.session_id)
    assert stored is not None
    assert stored.version == first.version and len(stored.checkpoints) == 2


async def test_an_agent_s_own_end_is_taken_from_a_paused_session_and_its_stale_active_is_not(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    copy = await anywhere.read(session.session_id)
    assert copy is not None
    await anywhere.pause(session.session_id, **OLGA)
    copy.checkpoint("essay_marked", {"essay": 3})  # the step that was being finished
    await anywhere.update_session(copy)
    assert copy.state == SessionState.PAUSED
    copy.complete({"essays": 3})
    await anywhere.update_session(copy)
    stored = await anywhere.read(session.session_id)
    assert stored is not None
    assert stored.state == SessionState.COMPLETED


@pytest.mark.parametrize(
    ("verb", "values"),
    [("pause", ()), ("complete", ({"mark": 1},)), ("fail", ("broken",)), ("delete", ())],
)
async def test_an_order_by_its_verb_stores_what_the_method_of_that_name_stores(
    anywhere: SessionManager, verb: str, values: tuple[object, ...]
) -> None:
    stored = []
    for give in (getattr(anywhere, verb), partial(anywhere.order, verb)):
        session = await anywhere.create_session("grader")
        ordered = await give(session.session_id, *values, **OLGA)
        newest = (await anywhere.get_checkpoints(session.session_id))[-1]
        stored.append((ordered.state, ordered.order_verb, ordered.epoch, newest.name, newest.data))
    assert stored[0] == stored[1]


@pytest.mark.parametrize("verb", ["fly", "close", "__init__", "edit", ""])
async def test_what_is_no_verb_cannot_be_ordered(anywhere: SessionManager, verb: str) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(UsageError, match="there are pause, resume"):
        await anywhere.order(verb, session.session_id, **OLGA)
    read = await anywhere.read(session.session_id)
    assert read is not None and read.version == 1

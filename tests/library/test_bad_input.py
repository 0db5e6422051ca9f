"""Unusual input that is stored unchanged. Refused input: tests/contract/test_bad_input.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from agent_sessions import InvalidInput, SessionManager
from tests.library.conftest import Make
from tests.library.people import OLGA, Sql, row, rows

STRANGE = [
    "<script>alert(1)</script>", "'; DROP TABLE agent_sessions; --", "%s %(id)s {0} {x}", "\\u0000",
    "\\\\u0000", "🧑‍🏫 grüße\u202e\u0000".replace("\u0000", ""), "\u2028 line\u2029", "a" * 100_000, "NULL", "\ufffe",
]  # fmt: skip


@pytest.mark.parametrize("strange", STRANGE, ids=lambda s: ascii(s[:20]))
async def test_what_is_only_strange_comes_back_as_it_was(
    anywhere: SessionManager, strange: str
) -> None:
    short = strange[:50]
    session = await anywhere.create_session(
        short, strange[:300], {strange: [strange]}, {"m": strange}
    )
    session.checkpoint(strange[:200], {strange: strange})
    await anywhere.update_session(session)
    await anywhere.fail(session.session_id, strange[:2000], actor=short, reason=short)
    for found in (
        await anywhere.read(session.session_id),
        await anywhere.get_session(session.session_id),
    ):
        assert found is not None
        assert (found.agent_type, found.user_id) == (short, strange[:300])
        assert (found.context, found.metadata) == ({strange: [strange]}, {"m": strange})
        assert found.checkpoints[1].name == strange[:200]
        assert found.checkpoints[1].data == {strange: strange}
        assert (found.order_actor, found.order_reason) == (short, short)


async def test_times_in_the_future_are_taken_as_now(another: Make, sql: Sql) -> None:
    ahead = await another(clock=lambda: datetime.now(UTC) + timedelta(days=2), flush_seconds=3600)
    session = await ahead.create_session("grader")
    session.checkpoint("essay_marked")
    await ahead.update_session(session)
    await ahead.heartbeat(session.session_id)
    await ahead.tick()
    stored = await row(sql, session.session_id)
    [clock] = await rows(sql, "SELECT now() AS now")
    for name in ("created_at", "updated_at", "last_heartbeat", "last_progress"):
        assert stored[name] <= clock["now"], name
    checkpoints = await ahead.get_checkpoints(session.session_id)
    assert [c.name for c in checkpoints] == ["session_created", "essay_marked"]
    assert all(c.timestamp <= clock["now"] for c in checkpoints)


async def test_naive_times_are_taken_as_utc(manager: SessionManager) -> None:
    session = await manager.create_session("grader")
    session.checkpoint("essay_marked").timestamp = datetime(2025, 3, 1, 8)
    await manager.update_session(session)
    stored = (await manager.get_checkpoints(session.session_id))[-1]
    assert stored.timestamp == datetime(2025, 3, 1, 8, tzinfo=UTC)


# --- rows edited by hand -------------------------------------------------------------------------------------
TAKEN_BY_HAND = [
    "checkpoints = '[1, null, [], {}, {\"name\": null}, {\"name\": \"x\", \"timestamp\": 5, \"data\": []}]'",
    "checkpoints = '[]'",
    "user_id = NULL",
    "last_heartbeat = NULL",
    "updated_at = NULL",
    "last_heartbeat = now() + interval '5 years'",
    "order_verb = 'dance', order_version = 99",
    "state_before_deletion = 'nowhere'",
    "checkpoint_count = NULL, checkpoints_through = NULL",
]  # fmt: skip


async def test_a_deleted_row_that_forgot_where_it_came_from_is_restored_as_active(
    durable: SessionManager, sql: Sql
) -> None:
    for before in ("nowhere", "deleted", None):
        session = await durable.create_session("grader")
        await durable.delete(session.session_id, **OLGA)
        await sql.execute(
            "UPDATE agent_sessions SET state_before_deletion = %s WHERE id = %s",
            (before, session.session_id),
        )
        assert (await durable.restore(session.session_id, **OLGA)).state == "active"


@pytest.mark.parametrize(
    "edit", ["created_at = NULL", "metadata = '[]'", "metadata = 'null'", "state = NULL"]
)
async def test_what_no_program_could_read_is_refused_by_the_table(
    another: Make, sql: Sql, edit: str
) -> None:
    session = await (await another()).create_session("grader")
    with pytest.raises(psycopg.errors.CheckViolation):
        await sql.execute(f"UPDATE agent_sessions SET {edit} WHERE id = %s", (session.session_id,))


@pytest.mark.parametrize("edit", TAKEN_BY_HAND)
async def test_a_row_that_was_edited_into_nonsense_is_still_read_and_steered(
    another: Make, sql: Sql, edit: str
) -> None:
    manager = await another()
    session, whole = [await manager.create_session("grader", context={"a": 1}) for _ in range(2)]
    await sql.execute(f"UPDATE agent_sessions SET {edit} WHERE id = %s", (session.session_id,))
    for reader in (manager, await another()):
        found = await reader.get_session(session.session_id)
        assert found is not None and found.context == {"a": 1}
        json.dumps(found.to_dict())
        assert found.get_duration() is not None
    listed = {s.session_id for s in await manager.get_active_sessions()}
    assert listed == {session.session_id, whole.session_id}
    await manager.heartbeat(session.session_id)
    await manager.tick()
    await manager.pause(session.session_id, **OLGA)
    await manager.delete(session.session_id, **OLGA)
    restored = await manager.restore(session.session_id, **OLGA)
    assert restored.state == "paused"
    ours: Any = await manager.read(session.session_id)
    ours.checkpoint("essay_marked")
    ours.context["b"] = 2
    await manager.update_session(ours)


async def test_an_id_in_capitals_is_the_same_session_in_every_call(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    written = session.session_id.upper()
    for call in (anywhere.get_session, anywhere.heartbeat, anywhere.head, anywhere.read):
        found = await call(written)
        assert found is not None and found.session_id == session.session_id
    ordered = await anywhere.pause(written, **OLGA)
    await anywhere.acknowledge(written, ordered.order_version)
    assert not (await anywhere.head(session.session_id)).order_open
    with pytest.raises(InvalidInput, match="no session id"):
        await anywhere.head("the grader of 7b")

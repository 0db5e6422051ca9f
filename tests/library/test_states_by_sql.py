"""A state that a person sets by SQL, without a version, is an order of that person."""

from __future__ import annotations

import pytest

from agent_sessions import SessionManager
from tests.library.people import Sql, history, row, rows

SET = "UPDATE agent_sessions SET state = %s WHERE id = %s"
# states one after another -> verb, checkpoint and epoch of the last one
PATHS = {
    ("paused",): ("pause", "session_paused", 0),
    ("paused", "active"): ("resume", "session_resumed", 0),
    ("completed",): ("complete", "session_completed", 1),
    ("paused", "failed"): ("fail", "session_failed", 1),
    ("deleted",): ("delete", "session_deleted", 1),
    ("deleted", "active"): ("restore", "session_restored", 1),
    ("completed", "deleted", "completed"): ("restore", "session_restored", 3),
}


@pytest.mark.parametrize("path", PATHS)
async def test_it_has_the_verb_the_checkpoint_and_the_epoch_of_that_order(
    durable: SessionManager, sql: Sql, path: tuple[str, ...]
) -> None:
    verb, checkpoint, epoch = PATHS[path]
    made = await durable.create_session("grader")
    for state in path:
        await rows(sql, f"{SET} RETURNING id", state, made.session_id)
    [login] = await rows(sql, "SELECT session_user AS name")
    stored = await row(sql, made.session_id)
    assert (stored["order_verb"], stored["epoch"], stored["state"]) == (verb, epoch, path[-1])
    assert (stored["order_actor"], stored["order_version"]) == (login["name"], stored["version"])
    last = (await history(sql, made.session_id))[-1]
    assert (last["kind"], last["actor"], last["source"]) == ("order", login["name"], "sql")
    assert last["detail"]["verb"] == verb
    assert (await durable.get_checkpoints(made.session_id))[-1].name == checkpoint


@pytest.mark.parametrize(
    ("path", "confirmed"),
    [(("completed",), False), (("completed", "deleted"), True), (("deleted", "active"), False)],
)
async def test_it_waits_for_a_confirmation_unless_it_met_an_ended_session(
    durable: SessionManager, sql: Sql, path: tuple[str, ...], confirmed: bool
) -> None:
    made = await durable.create_session("grader")
    for state in path:
        await rows(sql, f"{SET} RETURNING id", state, made.session_id)
    stored = await row(sql, made.session_id)
    assert (stored["acknowledged_version"] == stored["order_version"]) is confirmed


@pytest.mark.parametrize(
    ("state", "data"),
    [
        ("paused", {"previous_state": "active"}),
        ("completed", {"result": None}),
        ("failed", {"error": "set to failed by …", "details": None}),
        ("deleted", {}),
    ],
)
async def test_the_checkpoint_has_the_data_of_its_order(
    durable: SessionManager, sql: Sql, state: str, data: dict[str, str | None]
) -> None:
    made = await durable.create_session("grader")
    [login] = await rows(sql, f"{SET} RETURNING session_user", state, made.session_id)
    if data.get("error"):
        data = {**data, "error": f"set to failed by {login['session_user']}"}
    assert (await durable.get_checkpoints(made.session_id))[-1].data == data

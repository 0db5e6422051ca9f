"""The judge of the stress runs finds each kind of violation, and none in correct sessions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tools.stress.story import ONE, THREE, TWO, Story, call, copy, order
from tools.stress.call_log import NO_END
from tools.stress.judge import RULES
from tools.stress.stored_state import RecordedEntry, Stored


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_session_in_which_everything_is_right_breaks_no_rule(story: Story) -> None:
    assert story.found() == []


# --- checkpoints ------------------------------------------------------------------------------------------------


def test_an_acknowledged_checkpoint_that_is_not_stored_is_lost(story: Story) -> None:
    story.checkpoints[4] = replace(story.checkpoints[4], token=None)
    assert story.found() == ["lost checkpoint"]


def test_one_that_was_not_acknowledged_may_be_missing(story: Story) -> None:
    story.checkpoints[4] = replace(story.checkpoints[4], token=None)
    story.fail("b", "StorageUnavailable")
    assert story.found() == []


def test_a_checkpoint_that_is_stored_twice_is_found(story: Story) -> None:
    story.checkpoints.append(Stored(9, "worked", "a2", 6))
    story.row["checkpoint_count"] = 9
    assert story.found() == ["double checkpoint"]


def test_checkpoints_of_one_writer_in_another_order_are_found(story: Story) -> None:
    first, second = story.checkpoints[1], story.checkpoints[4]
    story.checkpoints[1] = replace(first, token="a2")
    story.checkpoints[4] = replace(second, token="a1")
    assert story.found() == ["checkpoints out of order"]


def test_a_checkpoint_of_an_old_epoch_that_is_stored_is_found(story: Story) -> None:
    story.checkpoints[4] = replace(story.checkpoints[4], version=8)
    assert story.found() == ["write of an old epoch"]


def test_a_write_that_was_refused_and_is_stored_is_found(story: Story) -> None:
    story.calls["w"].facts.update(tokens=["o1"], wants={}, seen={})
    story.contexts.pop(7)
    story.fail("w", "StaleEpoch", end=9.5)
    story.calls["w"].facts.pop("epoch")
    assert story.found() == ["refused, but stored"]


# --- the history ------------------------------------------------------------------------------------------------


def test_a_version_without_an_entry_is_found(story: Story) -> None:
    del story.history[6]
    del story.contexts[7]
    del story.calls["w"]
    assert story.found() == ["history"]


def test_a_version_with_two_entries_is_found(story: Story) -> None:
    story.history.insert(6, story.history[5])
    assert story.found() == ["history", "stored twice"]


def test_a_row_that_is_not_what_the_history_ends_with_is_found(story: Story) -> None:
    story.row["state"] = "paused"
    assert story.found() == ["history"]
    story.row |= {"state": "active", "epoch": 0}
    assert story.found() == ["history"]


def test_a_wrong_number_of_checkpoints_is_found(story: Story) -> None:
    story.row["checkpoint_count"] = 9
    assert story.found() == ["history"]


def test_a_write_that_is_stored_as_two_versions_is_found(story: Story) -> None:
    story.change(6, change_id="agent a")
    assert story.found() == ["stored twice"]


def test_a_forbidden_transition_is_found(story: Story) -> None:
    """An agent that makes a failed session active."""
    story.append(order(10, "fail", "active", "failed", epoch=2))
    story.add(call("fail", "olga", "fail", 9.9, 10.1, order="fail", request="request 10"))
    assert story.found() == []
    story.append(RecordedEntry(11, 11.0, "state", "failed", "active", 2))
    story.add(call("x", "writer", "update_session", 10.9, 11.1, state="active", order_seen=10))
    assert story.found() == ["forbidden transition"]


def test_a_transition_that_no_call_asked_for_is_found(story: Story) -> None:
    story.append(RecordedEntry(10, 10.0, "state", "active", "paused", 1))
    assert story.found() == ["unasked transition"]
    story.add(call("x", "writer", "update_session", 9.9, 10.1, state="paused", order_seen=8))
    assert story.found() == []


def test_a_healthy_agent_that_the_library_fails_is_found(story: Story) -> None:
    story.append(RecordedEntry(10, 10.0, "state", "active", "failed", 1))
    assert story.found() == ["failed by the library"]


# --- orders -----------------------------------------------------------------------------------------------------


def test_an_order_that_was_not_given_is_found(story: Story) -> None:
    story.change(5, change_id="of a sweeper")
    del story.calls["resume"]
    assert story.found() == ["order without a giver"]


def test_an_acknowledged_order_that_is_not_in_the_history_is_lost(story: Story) -> None:
    story.add(call("again", "olga", "rollback", 9.5, 9.6, order="rollback", request="request 10"))
    assert story.found() == ["lost order"]


def test_an_order_of_what_is_so_already_needs_no_entry(story: Story) -> None:
    resumed = copy(9, THREE, epoch=1)
    story.add(call("again", "olga", "resume", 9.5, 9.6, resumed, order="resume", request="other"))
    assert story.found() == []


def test_an_order_that_is_undone_by_one_who_had_not_seen_it_is_found(story: Story) -> None:
    story.append(order(10, "pause", "active", "paused", epoch=1))
    story.add(call("again", "olga", "pause", 9.9, 10.1, order="pause", request="request 10"))
    story.append(RecordedEntry(11, 11.0, "state", "paused", "active", 1))
    story.add(call("x", "writer", "update_session", 10.9, 11.1, state="active", order_seen=8))
    assert story.found() == ["order undone"]
    story.calls["x"].facts["order_seen"] = 10
    assert story.found() == []


def test_a_step_after_an_acknowledged_pause_is_found(story: Story) -> None:
    story.calls["step 2"].start = 4.5
    assert story.found() == ["acknowledged, not met"]


def test_a_step_of_another_task_that_goes_on_through_an_acknowledgement_is_found(
    story: Story,
) -> None:
    facts: dict[str, Any] = {"run": "r", "tasks": 2, "path": "agent 1", "epoch": 0}
    story.add(call("step of two", "agent", "step", 2.5, 4.8, **facts))
    assert story.found() == ["acknowledged, not met"]


def test_a_step_that_a_kill_cut_short_is_none(story: Story) -> None:
    facts: dict[str, Any] = {"run": "r", "tasks": 1, "path": "agent 0", "epoch": 0}
    story.add(call("cut short", "agent", "step", 2.5, NO_END, **facts))
    assert story.found() == []


def test_a_step_after_an_acknowledged_rollback_is_found(story: Story) -> None:
    story.append(RecordedEntry(10, 10.0, "acknowledged", "active", "active", 1, order_version=8))
    story.calls["step 2"].start, story.calls["step 2"].end = 10.5, 10.6
    assert story.found() == ["acknowledged, not met"]


# --- contexts and copies ----------------------------------------------------------------------------------------


def test_a_copy_whose_context_is_not_of_its_version_is_found(story: Story) -> None:
    story.calls["read"].copy = copy(7, ONE)
    assert story.found() == ["copy"]


def test_a_copy_of_another_state_or_epoch_is_found(story: Story) -> None:
    story.calls["read"].copy = copy(6, ONE, "paused")
    assert story.found() == ["copy"]
    story.calls["read"].copy = copy(6, ONE, epoch=1)
    assert story.found() == ["copy"]


def test_a_write_of_checkpoints_may_bring_the_state_in_which_they_were_stored(story: Story) -> None:
    """The copy keeps the version of its context."""
    story.calls["w"].facts |= {"wants": {}, "tokens": ["a2"]}
    story.calls["w"].copy = copy(4, ONE, "active")
    assert "copy" not in story.found()
    story.calls["w"].copy = copy(6, ONE, "paused")
    assert "copy" in story.found()


def test_a_copy_of_a_version_that_never_was_is_found(story: Story) -> None:
    story.calls["read"].copy = copy(12, ONE)
    assert story.found() == ["copy"]


def test_a_wrong_copy_in_valkey_is_found(story: Story) -> None:
    story.valkey = copy(8, TWO, epoch=1)
    assert story.found() == ["copy in valkey"]
    story.valkey = {"state": "paused", "context": {}}  # an old agent's copy, without a version
    assert story.found() == []


def test_a_change_that_no_call_asked_for_is_found(story: Story) -> None:
    story.contexts[9] = THREE | {"agent 0": "agent 0"}
    assert story.found() == ["change that was not asked for"]


def test_a_key_that_is_removed_without_being_asked_is_found(story: Story) -> None:
    story.contexts[9] = {key: value for key, value in THREE.items() if key != "agent 0"}
    assert story.found() == ["change that was not asked for"]


def test_an_acknowledged_change_that_never_took_effect_is_lost(story: Story) -> None:
    del story.contexts[7]
    story.calls["w"].copy = None
    assert story.found() == ["lost change"]


def test_a_value_that_an_old_agent_sets_back_in_vain_is_lost(story: Story) -> None:
    wants: dict[str, Any] = {"old status": "idle"}
    story.add(
        call("o2", "old", "upsert", 9.5, 9.6, wants=wants, changed=wants, state="active", tokens=[])
    )
    assert story.found() == ["lost change"]
    story.change(9, refused=True)
    assert story.found() == [], "it was refused and counted"


def test_a_value_that_was_replaced_unseen_is_found(story: Story) -> None:
    story.calls["w"].facts["seen"] = {"shared": "writer 0"}
    assert story.found() == ["overwritten without a conflict"]


# --- errors and counts ------------------------------------------------------------------------------------------


def test_an_error_of_another_library_is_found(story: Story) -> None:
    story.add(replace(call("x", "writer", "get_session", 9.2, 9.3), is_session_error=False))
    story.calls["x"].error = "OperationalError"
    assert story.found() == ["foreign error"]
    story.calls["x"].error = "CancelledError"
    assert story.found() == []


def test_a_manager_that_cannot_be_closed_is_found(story: Story) -> None:
    story.add(replace(call("x", "process", "close", 9.2, 19.2), session="", error="CancelledError"))
    assert story.found() == ["foreign error"]


@pytest.mark.parametrize("error", ["StaleEpoch", "SessionEnded", "Conflict"])
def test_a_refusal_that_leaves_attach_is_found(story: Story, error: str) -> None:
    story.add(replace(call("x", "agent", "attach", 1.0, 9.5), error=error))
    assert story.found() == ["error that left attach"]


def test_an_order_that_leaves_attach_is_none(story: Story) -> None:
    story.add(replace(call("x", "agent", "attach", 1.0, 9.5), error="RolledBack"))
    assert story.found() == []


def test_wrong_counts_are_found(story: Story) -> None:
    assert story.found(active=1) == ["counts"]


def test_there_is_a_test_for_each_rule() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [rule for rule in RULES if f'["{rule}"]' not in text] == []

"""CheckpointManager: named recovery points, bounded in number."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_sessions import Checkpoint, CheckpointManager, InvalidInput
from agent_sessions.validation import has_visible

START = datetime(2025, 3, 1, 8, tzinfo=UTC)


def ticking(step: timedelta = timedelta(minutes=1)) -> Any:
    times = iter(START + n * step for n in range(100_000))
    return lambda: next(times)


def made(*names: str, **settings: Any) -> CheckpointManager:
    checkpoints = CheckpointManager("s", clock=ticking(), **settings)
    for n, name in enumerate(names, 1):
        checkpoints.create(name, {"n": n})
    return checkpoints


def test_ids_are_the_session_s_and_a_number() -> None:
    checkpoints = made("a", "b")
    assert [c.id for c in checkpoints] == ["s:1", "s:2"]
    assert checkpoints.get("s:2") is checkpoints.get_latest()
    assert checkpoints.get("s:9") is None


def test_what_is_kept_is_a_copy_of_what_was_given() -> None:
    data, metadata = {"marks": [1]}, {"by": "olga"}
    checkpoints = CheckpointManager("s")
    checkpoint = checkpoints.create("a", data, metadata)
    data["marks"].append(2)
    metadata["by"] = "otto"
    assert (checkpoint.data, checkpoint.metadata) == ({"marks": [1]}, {"by": "olga"})
    recovered = checkpoints.rollback_to("s:1")
    assert recovered is not None
    recovered["marks"].append(3)
    assert checkpoints.rollback_to("s:1") == {"marks": [1]}


def test_by_name_is_newest_first_and_latest_is_the_newest() -> None:
    checkpoints = made("a", "b", "a", "c")
    assert [c.id for c in checkpoints.get_by_name("a")] == ["s:3", "s:1"]
    latest, of_b = checkpoints.get_latest(), checkpoints.get_latest("b")
    assert latest and of_b and (latest.id, of_b.id) == ("s:4", "s:2")
    assert checkpoints.get_latest("x") is None
    assert [c.id for c in checkpoints.get_all()] == ["s:1", "s:2", "s:3", "s:4"]


def test_since_is_strictly_after_and_between_includes_both_ends() -> None:
    checkpoints = made("a", "b", "c")
    second = START + timedelta(minutes=1)
    assert [c.name for c in checkpoints.get_since(second)] == ["c"]
    assert [c.name for c in checkpoints.get_between(START, second)] == ["a", "b"]


def test_naive_and_aware_times_can_be_compared() -> None:
    checkpoints = made("a", "b", "c")
    assert [c.name for c in checkpoints.get_since(datetime(2025, 3, 1, 8, 1))] == ["c"]
    assert len(checkpoints.get_between(datetime(2025, 3, 1, 8), START + timedelta(hours=1))) == 3


def test_rolling_back_forgets_what_came_after_and_uses_no_id_twice() -> None:
    checkpoints = made("a", "b", "c")
    assert checkpoints.rollback_to("s:2") == {"n": 2}
    assert [c.id for c in checkpoints] == ["s:1", "s:2"]
    assert checkpoints.rollback_to("s:3") is None
    assert checkpoints.create("d", {}).id == "s:4"


def test_clearing_says_how_many_and_uses_no_id_twice() -> None:
    checkpoints = made("a", "b")
    assert checkpoints.clear() == 2
    assert len(checkpoints) == 0 and list(checkpoints) == []
    assert checkpoints.create("c", {}).id == "s:3"


def test_a_summary_of_nothing_and_of_something() -> None:
    assert CheckpointManager("s").get_summary() == {
        "total_count": 0,
        "unique_names": 0,
        "names": [],
        "first_checkpoint": None,
        "last_checkpoint": None,
        "duration_seconds": 0.0,
    }
    summary = made("a", "b", "a").get_summary()
    assert summary["total_count"] == 3 and summary["unique_names"] == 2
    assert sorted(summary["names"]) == ["a", "b"]
    assert summary["first_checkpoint"] == "2025-03-01T08:00:00+00:00"
    assert summary["last_checkpoint"] == "2025-03-01T08:02:00+00:00"
    assert summary["duration_seconds"] == 120.0


def test_a_callback_that_raises_costs_neither_the_checkpoint_nor_the_next_callback() -> None:
    checkpoints = CheckpointManager("s")
    heard: list[str] = []

    def broken(checkpoint: Checkpoint) -> None:
        raise RuntimeError("the listener's own fault")

    checkpoints.on_checkpoint(broken)
    checkpoints.on_checkpoint(lambda c: heard.append(c.name))
    assert checkpoints.create("a", {}).id == "s:1"
    assert heard == ["a"] and len(checkpoints) == 1


def test_what_is_exported_is_json_and_comes_back_under_new_ids() -> None:
    source, target = made("a", "b"), made("x")
    json.loads(source.export())
    assert target.import_checkpoints(source.export()) == 2
    assert target.import_checkpoints(source.export()) == 2
    assert len({c.id for c in target}) == len(target) == 5
    assert target.create("y", {}).id not in {c.id for c in target.get_all()[:-1]}
    assert [c.timestamp for c in target.get_all()[:-1]] == sorted(
        c.timestamp for c in target.get_all()[:-1]
    )
    assert [c.data for c in target if c.name == "b"] == [{"n": 2}, {"n": 2}]


@pytest.mark.parametrize(
    "nonsense",
    ["", "{", "5", "{}", '{"checkpoints": 5}', '[{"name": 5}]', '[{"name": "a"}]', "[" * 100_000],
)
def test_an_import_of_nonsense_changes_nothing(nonsense: str) -> None:
    checkpoints = made("a")
    with pytest.raises(InvalidInput):
        checkpoints.import_checkpoints(nonsense)
    assert len(checkpoints) == 1


# --- compression ---------------------------------------------------------------------------------------------

NAMES = st.lists(st.sampled_from("abcdefgh") | st.text(min_size=1, max_size=3), max_size=160)


@given(NAMES, st.integers(1, 120), st.integers(0, 80))
def test_compression_keeps_what_it_promises_within_its_bounds(
    names: list[str], most: int, after: int
) -> None:
    names = [name for name in names if has_visible(name) and "\x00" not in name]
    checkpoints = made(*names, max_checkpoints=most, compress_after=after)
    kept = checkpoints.get_all()
    ids = [int(c.id.split(":")[1]) for c in kept]
    assert len(kept) <= most
    assert ids == sorted(set(ids)), "in time order, each once"
    if not names:
        return
    assert ids[0] == 1, "the first"
    room = most - 1
    last = list(range(max(2, len(names) - 19), len(names) + 1))
    assert set(last[-room:] if room else []) <= set(ids), "the last 20, as far as there is room"
    if len(names) <= min(most, after):
        assert len(kept) == len(names)
    for checkpoint in kept:
        assert checkpoint.name == names[checkpoint.data["n"] - 1]


@given(NAMES)
def test_the_newest_of_each_other_name_survives(names: list[str]) -> None:
    names = [name for name in names if has_visible(name) and "\x00" not in name]
    checkpoints = made(*names, max_checkpoints=1000, compress_after=30)
    kept = {c.name: c.data["n"] for c in checkpoints.get_all()}
    assert kept == {name: n for n, name in enumerate(names, 1)}


def test_many_distinct_names_stay_within_bounds() -> None:
    checkpoints = made(*(f"essay {n}" for n in range(500)))
    assert len(checkpoints) == 100
    assert checkpoints.get_all()[0].name == "essay 0"
    assert [c.name for c in checkpoints.get_all()[-20:]] == [f"essay {n}" for n in range(480, 500)]

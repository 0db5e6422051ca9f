"""Changes of JSON objects, and conflicts between two of them."""

from __future__ import annotations

import collections
import copy
import enum
from typing import Any

import pytest

from agent_sessions.json_merge import MISSING, Change, apply, become, diff, merge, same

TRUE: Any = True


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}, []),
        ({"a": 1, "b": 1}, {"b": 2, "c": 1}, ["a", "b", "c"]),
        ({"a": {"b": 1, "c": 1}}, {"a": {"b": 2, "c": 1}}, ["a.b"]),
        ({"a": {"b": 1}}, {"a": [1]}, ["a"]),
        ({"a": 1}, {"a": {"b": 1}}, ["a"]),
        ({}, {"a": {"b": 1}}, ["a"]),
        ({"a": 1}, {"a": TRUE}, ["a"]),
        ({"a": 0}, {"a": False}, ["a"]),
        ({"a": 1}, {"a": 1.0}, ["a"]),
        ({"a": [1, {"b": 0}]}, {"a": [1, {"b": False}]}, ["a"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a"]),
        ({"a": [{"b": 1}]}, {"a": [{"c": 1}]}, ["a"]),
        ({"a": [{"b": 1, "c": 2}]}, {"a": [{"c": 2, "b": 1}]}, []),
        ({"a": {"b": None}}, {"a": {}}, ["a.b"]),
    ],
)
def test_paths_that_changed(old: dict[str, Any], new: dict[str, Any], names: list[str]) -> None:
    assert [change.name for change in diff(old, new)] == names
    target = copy.deepcopy(old)
    apply(target, diff(old, new))
    assert [*diff(target, new)] == []


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "merged", "conflicts"),
    [
        ({"a": 1}, {"a": 2}, {"a": 1, "b": 1}, {"a": 2, "b": 1}, []),
        ({"a": 1}, {"a": 2}, {"a": 3}, None, ["a"]),
        ({"a": 5}, {"a": 6}, {"a": 6}, None, ["a"]),
        ({"a": 1}, {"a": 2}, {"a": TRUE}, None, ["a"]),
        ({"a": [0]}, {"a": []}, {"a": [False]}, None, ["a"]),
        ({"a": 1}, {}, {"a": 1, "b": 2}, {"b": 2}, []),
        ({"a": 1}, {}, {"a": 2}, None, ["a"]),
        ({}, {"a": 1}, {"a": 1}, None, ["a"]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, {}, None, ["a.b"]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, {"a": 1}, None, ["a.b"]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, {"a": {"b": 1, "c": 1}}, {"a": {"b": 2, "c": 1}}, []),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}, "c": 1}, {"a": {}, "c": 1}, []),
    ],
)
def test_two_changes_of_one_path_meet_and_others_do_not(
    base: dict[str, Any],
    mine: dict[str, Any],
    theirs: dict[str, Any],
    merged: dict[str, Any] | None,
    conflicts: list[str],
) -> None:
    found, changes, met = merge(base, mine, theirs)
    assert [change.name for change in met] == conflicts
    assert [*changes] == [*diff(base, mine)]
    if merged is not None:
        assert found == merged


def test_what_is_merged_is_a_copy_of_what_was_changed() -> None:
    mine: dict[str, Any] = {"a": [1]}
    found, _, _ = merge({}, mine, {})
    mine["a"].append(2)
    assert found == {"a": [1]}


def test_a_change_is_made_whatever_stands_in_its_way() -> None:
    target: dict[str, Any] = {"a": 1, "kept": {"b": 1}}
    kept, value = target["kept"], [1]
    apply(target, [
        Change(("a", "b"), MISSING, 1), Change(("kept", "c"), MISSING, value),
        Change(("kept", "b"), 1, MISSING), Change(("gone",), 1, MISSING),
    ])  # fmt: skip
    value.append(2)
    assert target == {"a": {"b": 1}, "kept": {"c": [1]}}
    assert target["kept"] is kept


def test_what_is_no_json_becomes_what_was_stored_of_it_in_the_same_objects() -> None:
    inner: dict[str, Any] = {"t": (1, 2), "n": 1, "d": {"x": 1}}
    items = [inner, (3,), "text"]
    value: dict[str, Any] = {"items": items, "same": "a", "object": (1,), "list": [1]}
    stored: dict[str, Any] = {
        "items": [{"t": [1, 2], "n": 1, "d": "said"}, [3], "text"],
        "same": "a",
        "object": {"x": 1},
        "list": "said",
    }
    become(value, stored)
    assert value == stored
    assert value["items"] is items
    assert items[0] is inner
    before = {"a": (1,)}
    become(before, before)
    assert before == {"a": (1,)}


def test_a_key_that_is_no_text_has_a_name() -> None:
    assert Change(("a", 7), 1, 2).name == "a.7"


class Grade(enum.StrEnum):
    GOOD = "good"


class Level(enum.IntEnum):
    TWO = 2


STORED_AS = [
    ((1, (2,)), [1, [2]]),
    (Grade.GOOD, "good"),
    (Level.TWO, 2),
    (1e16, 10**16),
    (1e23, 10**23),
    (-1e300, -(10**300)),
    ([{"at": (1, Grade.GOOD)}], [{"at": [1, "good"]}]),
    ([collections.defaultdict(int, a=1)], [{"a": 1}]),
]


@pytest.mark.parametrize(("value", "stored"), STORED_AS)
def test_a_value_is_the_same_as_what_is_stored_of_it(value: Any, stored: Any) -> None:
    assert same(value, stored) and same(stored, value)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, 1.0), (Level.TWO, True), ("1", 1), (1.5e15, 15 * 10**14), ((1,), [1.0]), ([], {}), (None, 0), ((), "")],
)  # fmt: skip
def test_values_that_are_stored_differently_are_different(one: Any, other: Any) -> None:
    assert not same(one, other) and not same(other, one)

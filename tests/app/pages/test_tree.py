"""A context is shown as a bounded tree; two contexts as a list of differences."""

import json
from typing import Any

import pytest

from sessions_app.rendering.json_diff import SHOWN, differences
from sessions_app.rendering.json_tree import DEPTH, NODES, PER_NODE, Node, build, find


def count(node: Node) -> int:
    return sum(1 + count(child) for child in node.children)


def test_a_small_context_is_there_whole() -> None:
    root = build({"a": 1, "b": {"c": [1, 2]}})
    assert [child.key for child in root.children] == ["a", "b"]
    assert root.children[1].children[0].children[1].dotted == "b.c[1]"
    assert root.rest is None


def test_a_megabyte_is_bounded_and_says_where_it_goes_on() -> None:
    big = {f"key{i}": {"text": "x" * 100, "n": i} for i in range(10_000)}
    root = build(big)
    assert count(root) <= NODES
    assert root.rest == PER_NODE
    assert build(big, start=PER_NODE).children[0].key == f"key{PER_NODE}"


def test_a_context_nested_ten_thousand_deep_is_cut_and_not_followed() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(10_000):
        inner["a"] = {}
        inner = inner["a"]
    assert count(build(deep)) == DEPTH


def test_a_long_text_is_cut() -> None:
    (child,) = build({"essay": "w" * 5000}).children
    assert len(child.text) == 300
    assert child.hidden == 4700


def test_what_stands_at_an_address_is_found() -> None:
    value = {"grades": [{"essay": "e1"}]}
    node = build(value).children[0].children[0].children[0]
    assert find(value, node.address) == (("grades", 0, "essay"), "e1")


@pytest.mark.parametrize("address", ['["no"]', "[7]", "{", '["grades","x"]', "7", '["grades", 9]'])
def test_an_address_of_nothing_is_a_lookup_error(address: str) -> None:
    with pytest.raises(LookupError):
        find({"grades": [1]}, address)


def test_differences_name_added_removed_and_changed_paths() -> None:
    found = differences(
        {"a": 1, "b": [1, 2], "c": {"d": 1}}, {"a": 2, "b": [1], "c": {"d": 1, "e": None}}
    )
    assert [(d.kind, d.path, d.before, d.after) for d in found.shown] == [
        ("changed", "a", "1", "2"),
        ("removed", "b[1]", "2", ""),
        ("added", "c.e", "", "null"),
    ]


def test_true_and_one_are_different_things() -> None:
    assert differences({"a": True}, {"a": 1}).changed == 1


def test_a_number_as_postgresql_gives_it_back_is_no_difference() -> None:
    assert differences({"a": 1e16}, {"a": 10**16}).total == 0
    assert differences({"a": 1}, {"a": 1.0}).changed == 1


def test_many_differences_are_counted_but_not_all_shown() -> None:
    found = differences({}, {str(i): i for i in range(500)})
    assert (len(found.shown), found.added, found.hidden) == (SHOWN, 500, 400)


def test_texts_of_differences_are_bounded() -> None:
    (only,) = differences({"a": "x" * 9999}, {}).shown
    assert len(only.before) < 200
    assert json.dumps("x")[0] == only.before[0]

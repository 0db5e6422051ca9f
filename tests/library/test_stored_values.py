"""JSON in PostgreSQL that Python cannot hold: read as far as possible, and refused when written back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_sessions import InvalidInput, validation
from agent_sessions.stored_values import LEVELS, read_json
from agent_sessions.validation import OMITTED

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(PLAIN)
def test_what_python_can_hold_is_read_as_it_is(value: Any) -> None:
    assert read_json(json.dumps(value)) == json.loads(json.dumps(value))
    assert read_json(json.dumps(value).encode()) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "number", ["9" * 100_000, "-" + "9" * 309, "9" * 400 + ".5", "1" + "0" * 400]
)
def test_of_a_number_that_is_too_long_its_length_is_told(number: str) -> None:
    value = read_json(f'{{"a": 1, "n": {number}, "b": "{number}"}}')
    assert (value["a"], value["b"]) == (1, number)
    assert value["n"].startswith(OMITTED) and "digits" in value["n"]
    json.dumps(value, allow_nan=False)


@pytest.mark.parametrize("levels", [LEVELS + 1, 900, 5_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a[{\\"": ', "}")])
def test_what_is_nested_too_deeply_is_left_out(levels: int, opening: str, closing: str) -> None:
    deep = opening * levels + closing * levels
    if opening != "[":
        deep = opening * levels + "1" + closing * levels
    value = read_json(f'{{"deep": {deep}, "beside": {{"a": [1, "]"]}}}}')
    assert value["beside"] == {"a": [1, "]"]}
    assert OMITTED in json.dumps(value, ensure_ascii=False)
    assert validation.depth(value) <= LEVELS


def test_what_stands_for_an_omitted_value_is_not_stored() -> None:
    value = read_json('{"n": ' + "9" * 5_000 + "}")
    with pytest.raises(InvalidInput, match="could not be read"):
        validation.json_object(value, "context")

"""States are listed only in agent_sessions/states.py, and named for people in choices.py and the search."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from agent_sessions.states import SessionState
from dashboard.environment import BASE_DIR
from sessions_app import choices
from sessions_app.health import CONDITIONS
from sessions_app.listed_states import LISTED_STATES
from sessions_app.selectors import search_words

PRODUCT = ("agent_sessions", "sessions_app", "dashboard", "demo")
SAYS_THEM = {
    "agent_sessions/states.py",
    "sessions_app/choices.py",
    "sessions_app/selectors/search_words.py",
}
NAMES = {state.value for state in SessionState}
SQL_LIST = re.compile(r"'(\w+)'(?=\s*,\s*'(\w+)')")


def lists_of_states(source: str) -> list[int]:
    """Lines with several states: in a literal, in a comparison, in SQL."""
    return sorted({line for line, named in _named_together(ast.parse(source)) if named > 1})


def _named_together(tree: ast.AST) -> Iterator[tuple[int, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.Tuple(elts=members) | ast.List(elts=members) | ast.Set(elts=members):
                yield node.lineno, _states_in(*members)
            case ast.Dict(keys=keys):
                yield node.lineno, _states_in(*keys)
            case ast.BoolOp(values=values):
                compared = [c for v in values if isinstance(v, ast.Compare) for c in v.comparators]
                yield node.lineno, _states_in(*compared)
            case ast.ClassDef(body=body):
                values = [child.value for child in body if isinstance(child, ast.Assign)]
                yield node.lineno, _states_in(*values)
            case ast.Constant(value=str(text)):
                yield node.lineno, 2 * any({one, other} <= NAMES for one, other in _pairs(text))


def _pairs(sql: str) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for found in SQL_LIST.finditer(sql)]


def _states_in(*nodes: ast.AST | None) -> int:
    """The number of different states; of a pair, only the first element counts."""
    first = [node.elts[0] if isinstance(node, ast.Tuple) and node.elts else node for node in nodes]
    return len({node.value for node in first if isinstance(node, ast.Constant)} & NAMES)


@pytest.mark.parametrize(
    "source",
    [
        'OPEN = ("active", "paused")',
        'OPEN = frozenset({"failed", "other", "deleted"})',
        'WORDS = {"active": 1, "failed": 2}',
        'WORDS = [("active", "Active"), ("paused", "Paused")]',
        'is_open = state == "active" or state == "paused"',
        'class State:\n    ACTIVE = "active"\n    PAUSED = "paused", "Paused"',
        "SQL = \"SELECT 1 WHERE state IN ('active', 'paused')\"",
        "SQL = f\"{x} WHERE state NOT IN ('x', 'completed',\\n 'failed')\"",
    ],
)
def test_every_way_to_write_a_second_list_is_found(source: str) -> None:
    assert lists_of_states(source)


@pytest.mark.parametrize("source", ['state == "active"', "OPEN = ('active', 'other')"])
def test_one_state_is_no_list(source: str) -> None:
    assert not lists_of_states(source)


def test_nobody_lists_the_states_anew() -> None:
    found = [
        f"{path}:{line}"
        for package in PRODUCT
        for file in sorted((BASE_DIR / package).rglob("*.py"))
        if (path := str(file.relative_to(BASE_DIR))) not in SAYS_THEM and "migrations" not in path
        for line in lists_of_states(file.read_text())
    ]
    assert not found


def test_whoever_names_states_names_all_of_them_in_their_order() -> None:
    assert tuple(choices.STATES) == LISTED_STATES
    assert [state for state, _ in choices.STATE_LABELS] == list(SessionState)
    assert set(choices.STATE_ADJECTIVES) == set(SessionState)
    for words in search_words.VALUES.values():
        assert tuple(words) == (*LISTED_STATES, *CONDITIONS)
    assert tuple(choices.CONDITIONS) == CONDITIONS

"""Every promise in docs/promises.md names an existing test."""

from __future__ import annotations

import ast
import re

import pytest

from dashboard.environment import BASE_DIR

PROMISES = (BASE_DIR / "docs" / "promises.md").read_text("utf-8")
LINES = [line for line in PROMISES.splitlines() if line.startswith("- ")]
NAMED = re.compile(r"^- .+[.”\")] `(tests/[a-z_/]+\.py)(?:::(test_\w+))?`$")


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[2:62])
def test_a_promise_is_one_sentence_with_a_test_that_exists(line: str) -> None:
    found = NAMED.match(line)
    assert found, "a sentence and one test: `tests/…/test_….py::test_…`"
    path, name = found.groups()
    tree = ast.parse((BASE_DIR / path).read_text("utf-8"))
    tests = {
        n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert name in tests if name else any(test.startswith("test_") for test in tests)


def test_there_are_many_and_none_twice() -> None:
    sentences = [line.partition(" `")[0] for line in LINES]
    assert len(sentences) > 60
    assert len(set(sentences)) == len(sentences)

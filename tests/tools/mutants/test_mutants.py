"""Each mutant is a file with one rule removed."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest

from dashboard.environment import BASE_DIR
from tools.mutants import python_mutants, sql_mutants, targets
from tools.mutants.__main__ import ACCEPTED, SURVIVORS, drawn
from tools.mutants.mutant import Mutant
from tools.mutants.runs import MutantOutcome, run


def python_of(text: str) -> set[str]:
    return {mutant.of(text) for mutant in python_mutants.mutants("a.py", text)}


def sql_of(text: str, *later: str) -> set[str]:
    return {
        " ".join(mutant.of(text).split()) for mutant in sql_mutants.mutants("a.sql", text, later)
    }


@pytest.mark.parametrize(
    ("text", "mutants"),
    [
        ("x = a < b", {"x = (a >= b)", "x = (a <= b)"}),
        ("x = a == b", {"x = (a != b)"}),
        ("x = a and b and c", {"x = (b and c)", "x = (a and c)", "x = (a and b)"}),
        ("x = ü and not b", {"x = (not b)", "x = (ü)", "x = ü and (b)"}),
        ("x = a if b else c", {"x = (a)", "x = (c)"}),
        ("if a:\n    x = 1\nelif b():\n    x = 2", {
            "if (not a):\n    x = 1\nelif b():\n    x = 2", "if a:\n    x = 1\nelif (not b()):\n    x = 2",
        }),
        ("def f(x: A | None = None) -> B:\n    'said'\n    x.y = 1", {
            "def f(x: A | None = None) -> B:\n    'said'\n    pass",
        }),
        ("raise A from None", {"pass"}),
        ("f()", {"pass"}),
        ("x = 1", set()),
    ],
)  # fmt: skip
def test_python(text: str, mutants: set[str]) -> None:
    assert python_of(text) == mutants


@pytest.mark.parametrize(
    ("text", "mutants"),
    [
        ("SELECT 1 WHERE a AND (b OR c)", {"SELECT 1 WHERE (b OR c)", "SELECT 1 WHERE a"}),
        ("SELECT 1 WHERE a BETWEEN 1 AND 2 -- x AND y", set()),
        ("SELECT ' AND '", set()),
        ("IF a AND b THEN c; END IF;", {
            "IF b THEN c; END IF;", "IF a THEN c; END IF;", "IF NULL THEN c; END IF;",
        }),
        ("SELECT CASE WHEN a THEN 1 ELSE 2 END", {"SELECT CASE WHEN NULL THEN 1 ELSE 2 END"}),
        ("SELECT CASE x WHEN 'a' THEN 1 END", {"SELECT CASE x WHEN NULL THEN 1 END"}),
        ("SELECT a FROM b JOIN c ON d AND e WHERE f", {
            "SELECT a FROM b JOIN c ON e WHERE f", "SELECT a FROM b JOIN c ON d WHERE f",
        }),
    ],
)  # fmt: skip
def test_sql(text: str, mutants: set[str]) -> None:
    assert sql_of(text) == mutants


def test_a_function_that_a_later_file_defines_anew_is_left_alone() -> None:
    text = "CREATE FUNCTION f() RETURNS x AS $$\nIF a THEN b; END IF;\n$$;\n"
    assert len(sql_of(text)) == 1
    assert sql_of(text, text.replace("CREATE", "CREATE OR REPLACE")) == set()
    assert sql_of(text, "DROP FUNCTION f;") == set()


def test_each_mutant_of_each_file_can_be_read_and_has_a_name_of_one_line() -> None:
    for path in targets.TARGETS:
        text = (BASE_DIR / path).read_text("utf-8")
        found = [*targets.mutants(BASE_DIR, path)]
        for mutant in found:
            assert mutant.of(text) != text, mutant.name
            assert "\n" not in mutant.name
            if path.endswith(".py"):
                ast.parse(mutant.of(text))


def test_each_file_has_tests_that_are_there() -> None:
    for path, tests in targets.TARGETS.items():
        assert (BASE_DIR / path).is_file(), path
        assert tests, path
        for test in tests:
            assert (BASE_DIR / test).is_file(), test


def test_the_order_is_the_seed_s_and_each_file_has_its_turn() -> None:
    first, again = [*drawn("agent_sessions/s", 7)], [*drawn("agent_sessions/s", 7)]
    assert first == again
    assert first != [*drawn("agent_sessions/s", 8)]
    files = {mutant.path for mutant in first}
    assert {mutant.path for mutant in first[: len(files)]} == files


def test_each_survivor_is_a_mutant_that_there_is_with_its_reason() -> None:
    text = SURVIVORS.read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    names = ACCEPTED.findall(text)
    assert len(names) == len(lines)
    assert set(names) <= {mutant.name for mutant in drawn("", 0)}


def test_what_no_test_notices_survives_and_red_tests_notice_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    (tmp_path / "rule.py").write_text("def late(n):\n    return n > 3\n")
    (tmp_path / "test_rule.py").write_text(
        "from rule import late\n\ndef test_late():\n    assert late(4) and not late(2)\n"
    )
    (tmp_path / "test_red.py").write_text("def test_red():\n    assert False\n")
    asyncio.run(_git_init(tmp_path))
    found = [*python_mutants.mutants("rule.py", (tmp_path / "rule.py").read_text())]
    told: dict[str, MutantOutcome] = {}

    def tell(mutant: Mutant, outcome: MutantOutcome) -> None:
        told[mutant.becomes] = outcome

    asyncio.run(run(tmp_path, [(m, ("test_rule.py",)) for m in found], 2, 3600, tell))
    assert told == {"(n <= 3)": MutantOutcome.NOTICED, "(n >= 3)": MutantOutcome.SURVIVED}
    asyncio.run(run(tmp_path, [(found[0], ("test_red.py",))], 1, 3600, tell))
    assert told[found[0].becomes] == MutantOutcome.TESTS_FAIL


async def _git_init(folder: Path) -> None:
    made = await asyncio.create_subprocess_exec("git", "init", "-q", cwd=folder)
    assert await made.wait() == 0

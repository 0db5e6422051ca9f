"""Runs the first program of docs/agents.md unchanged."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent_sessions import SessionManager
from dashboard.environment import BASE_DIR
from tests.support.waiting import HANGS

PROGRAM = re.compile(r"```python\n(\"\"\"A grader.*?)```", re.DOTALL)
MARKS = {"Anna": 2, "Ben": 5, "Cem": 4}
FACTS = """
SELECT state, context -> 'marks',
       (SELECT array_agg((c.data ->> 'number')::int ORDER BY n) FROM agent_session_checkpoints c
        WHERE c.session_id = s.id AND c.name = 'essay_marked')
FROM agent_sessions s WHERE id = %s
"""


class Grader:
    def __init__(self, program: Path, database_url: str, valkey_url: str, *arguments: str) -> None:
        self._database_url = database_url
        self.process = subprocess.Popen(
            [sys.executable, str(program), *arguments],
            env={
                **os.environ,
                "DATABASE_URL": database_url,
                "VALKEY_URL": valkey_url,
                "PYTHONPATH": str(BASE_DIR),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.session_id = self.process.stdout.readline().strip()

    def facts(self) -> Any:
        with psycopg.connect(self._database_url) as connection:
            return connection.execute(FACTS, [self.session_id]).fetchone()

    def until_it_marked(self) -> None:
        while not self.facts()[2]:
            assert self.process.poll() is None
            time.sleep(0.05)

    def outcome(self) -> tuple[int, str]:
        said, _ = self.process.communicate(timeout=HANGS)
        return self.process.returncode, said


Start = Callable[..., Grader]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (text,) = PROGRAM.findall((BASE_DIR / "docs" / "agents.md").read_text())
    path = tmp_path / "grader.py"
    path.write_text(text)
    return path


@pytest.fixture
def start(program: Path, database_url: str, valkey_url: str) -> Iterator[Start]:
    started: list[Grader] = []

    def start(*arguments: str) -> Grader:
        started.append(Grader(program, database_url, valkey_url, *arguments))
        return started[-1]

    yield start
    for grader in started:
        grader.process.kill()
        grader.process.communicate()


def test_it_makes_a_session_and_completes_it(start: Start) -> None:
    grader = start()
    assert grader.outcome() == (0, "")
    assert grader.facts() == ("completed", MARKS, [1, 2, 3])


def test_after_a_kill_it_goes_on_where_it_was(start: Start) -> None:
    killed = start()
    killed.until_it_marked()
    killed.process.kill()
    killed.process.wait()
    done = killed.facts()[2]
    second = start(killed.session_id)
    assert second.session_id == killed.session_id
    assert second.outcome() == (0, "")
    assert second.facts() == ("completed", MARKS, [1, 2, 3])
    assert done != [1, 2, 3]


async def test_after_a_rollback_it_starts_again_from_the_checkpoint(
    start: Start, manager: SessionManager
) -> None:
    grader = start()
    grader.until_it_marked()
    session = await manager.rollback(grader.session_id, 1, actor="frau.huber")
    assert session.state == "active"
    assert grader.outcome() == (0, "")
    state, marks, numbers = grader.facts()
    assert (state, marks) == ("completed", MARKS)
    assert numbers[-1] == 3


async def test_after_a_failure_it_ends_and_says_who_ordered_it_and_why(
    start: Start, manager: SessionManager
) -> None:
    grader = start()
    grader.until_it_marked()
    await manager.fail(grader.session_id, "wrong class", actor="frau.huber", reason="wrong class")
    code, said = grader.outcome()
    assert code == 0
    assert "wrong class" in said
    assert "frau.huber" in said
    assert grader.facts()[0] == "failed"


LINES = """```
python3 -m venv ~/grader && ~/grader/bin/pip install .
eval "$(make env)"
~/grader/bin/python grader.py
```"""


@pytest.mark.parametrize("document", ["README.md", "docs/agents.md"])
def test_the_documented_lines_install_the_package_where_the_program_is_run(document: str) -> None:
    assert LINES in (BASE_DIR / document).read_text()


CALLS = """
from agent_sessions import SessionManager


async def main(manager: SessionManager) -> None:
    async with manager.attach("an id") as run:
        await run.checkpoint("a")
        await run.chekpoint("a")
"""


def test_mypy_accepts_it_and_finds_a_misspelled_call_of_a_run(
    program: Path, tmp_path: Path
) -> None:
    (tmp_path / "misspelled.py").write_text(CALLS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull),
            *("--cache-dir", str(tmp_path / "cache"), str(program), "misspelled.py"),
        ],
        env={**os.environ, "MYPYPATH": str(BASE_DIR)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert errors == [
        'misspelled.py:8: error: "Run" has no attribute "chekpoint"; maybe "checkpoint"?  [attr-defined]'
    ], done.stdout

"""Real processes: what the supervisor starts and restarts, and that none is left behind."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from django.conf import settings

from dashboard.embedded.process import Child
from demo.agent_process import until_told
from demo.supervisor import Program, Supervisor, crew
from tests.support.waiting import HANGS, until

SUPERVISOR = """
import os
from demo.supervisor import Supervisor, crew
some = [program for program in crew(1, 0) if program.worker in ("gradebook-9c", "grader-1")]
Supervisor(some, os.environ, print).run()
"""
STARTS_IT_AND_SLEEPS = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", os.environ["SUPERVISOR"]])
time.sleep(600)
"""
# A fast crew reaches the essay that is stored invalidly on purpose, a slow one does not.
ONE_ESSAY_IS_NOT_UTF8 = (
    "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xfc in position 26: invalid start byte"
)
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def gone(processes: list[psutil.Process]) -> bool:
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def environ(database_url: str, valkey_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "VALKEY_URL": valkey_url,
        "DEMO_DIR": str(tmp_path),
        "DEMO_PACE": "0.02",
        "DEMO_GRADERS": "1",
        "PYTHONPATH": str(settings.BASE_DIR),
    }


@pytest.fixture
def command(environ: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Starts `manage.py demo_agents` as a person does."""
    with (tmp_path / "demo.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo_agents", "--graders", "1", "--tutors", "1"],
            cwd=settings.BASE_DIR,
            env={**environ, "DJANGO_SETTINGS_MODULE": "dashboard.settings"},
            stdout=log,
            stderr=log,
        )
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()


def agents_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return found


def ask(url: str, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(question.encode()).fetchall()


def working_types(url: str) -> set[object]:
    progressed = "SELECT DISTINCT agent_type FROM agent_sessions WHERE checkpoint_count > 1"
    return {row[0] for row in ask(url, progressed)}


def _all_of(wanted: set[str], found: set[object]) -> bool:
    print("missing:", wanted - found)
    return wanted == found


def test_five_kinds_of_agents_work_and_none_is_left_after_sigterm(
    command, environ, database_url, tmp_path
):
    everyone = {"grader", "tutor", "quality-judge", "alert", "orchestrator"}
    until(lambda: _all_of(everyone, working_types(database_url)), 60)
    agents = agents_of(command)
    assert len(agents) == len(crew(1, 1))
    assert_a_second_crew_is_refused(environ)
    assert not any("django" in " ".join(agent.cmdline()) for agent in agents)
    command.send_signal(signal.SIGTERM)
    assert command.wait(20) == 0, (tmp_path / "demo.log").read_text()
    assert gone(agents)
    assert errors_in(tmp_path / "demo.log") <= {
        ONE_ESSAY_IS_NOT_UTF8,
        f"{ONE_ESSAY_IS_NOT_UTF8} in 8a/emre-y.txt",
    }


def errors_in(log: Path) -> set[str]:
    """The errors at the end of the log's tracebacks."""
    return set(re.findall(r"^Traceback .*\n(?:\s.*\n)*(.+)$", log.read_text(), re.MULTILINE))


def assert_a_second_crew_is_refused(environ: dict[str, str]) -> None:
    second = subprocess.run(
        [sys.executable, "manage.py", "demo_agents"],
        cwd=settings.BASE_DIR,
        env={**environ, "DJANGO_SETTINGS_MODULE": "dashboard.settings"},
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    assert second.returncode == 1
    assert second.stderr.startswith("CommandError: ")
    assert second.stderr.count("\n") == 1


def start(environ: dict[str, str], program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program], cwd=settings.BASE_DIR, env=environ)


def test_no_agent_outlives_a_supervisor_that_was_killed(environ):
    boss = start(environ, SUPERVISOR)
    until(lambda: len(agents_of(boss)) == 2)
    agents = agents_of(boss)
    boss.kill()
    boss.wait()
    until(lambda: gone(agents))


def test_everything_ends_when_whoever_started_it_is_gone(environ):
    parent = start({**environ, "SUPERVISOR": SUPERVISOR}, STARTS_IT_AND_SLEEPS)
    until(lambda: len(agents_of(parent)) == 3)
    family = agents_of(parent)
    parent.kill()
    parent.wait()
    until(lambda: gone(family))


def test_a_killed_grader_finds_its_sessions_again(environ, database_url):
    environ = {**environ, "DEMO_PACE": "0.1"}
    programs = [p for p in crew(1, 1) if p.worker in ("grader-1", "orchestrator-1")]
    supervisor = Supervisor(programs, environ, print, kills=False)
    try:
        tick_until(supervisor, lambda: _graded(database_url) >= 1)
        supervisor.kept["grader-1"].kill(back_at=0)
        held = {row[0] for row in ask(database_url, ACTIVE_GRADERS)}
        before = _graded(database_url)
        tick_until(supervisor, lambda: _graded(database_url) > before)
        until(lambda: held - {row[0] for row in ask(database_url, ACTIVE_GRADERS)}, 60)
        assert ask(database_url, MARKED_TWICE) == []
    finally:
        supervisor.stop()


def tick_until(supervisor: Supervisor, condition: Callable[[], object]) -> None:
    def step() -> object:
        supervisor.tick(time.monotonic())
        return condition()

    until(step)


ACTIVE_GRADERS = "SELECT id FROM agent_sessions WHERE agent_type = 'grader' AND state = 'active'"
MARKED_TWICE = """
    SELECT session_id, data ->> 'essay' FROM agent_session_checkpoints WHERE name = 'essay_marked'
    GROUP BY 1, 2 HAVING count(*) > 1"""


def _graded(url: str) -> int:
    counted = "SELECT count(*) FROM agent_session_checkpoints WHERE name = 'essay_marked'"
    return int(str(ask(url, counted)[0][0]))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def supervisor(
    clock: Clock, *programs: Program, kills: bool = False
) -> tuple[Supervisor, list[str]]:
    said: list[str] = []
    return (
        Supervisor(programs, os.environ, said.append, kills, clock, random.Random(1)),
        said,
    )


def running(boss: Supervisor, worker: str) -> subprocess.Popen[bytes]:
    return boss.kept[worker].child.process


def test_what_ends_is_started_again_and_waits_longer_each_time():
    clock = Clock()
    boss, said = supervisor(clock, Program("broken", "demo.no_such_module", ()))
    waits = []
    for _ in range(3):
        boss.tick(clock.now)
        running(boss, "broken").wait()
        boss.tick(clock.now)
        due = boss.kept["broken"].due
        assert due is not None
        waits.append(due - clock.now)
        clock.now = due
    boss.stop()
    assert waits == [0.5, 1.0, 2.0]
    assert said == ["broken ended by itself (exit 1): it is started again"] * 3


def test_a_killed_program_stays_away_long_enough_to_count_as_lost():
    clock = Clock()
    program = Program("holder", "demo.gradebook", ("9c",), may_be_killed=True)
    boss, said = supervisor(clock, program, kills=True)
    boss.tick(clock.now)
    victim = running(boss, "holder")
    clock.now = boss.next_kill
    boss.tick(clock.now)
    assert victim.returncode == -signal.SIGKILL
    assert "on purpose" in said[-1]
    clock.now += 130  # a heartbeat counts as lost after 120 seconds
    boss.tick(clock.now)
    assert running(boss, "holder") is victim
    clock.now += 100
    boss.tick(clock.now)
    again = running(boss, "holder")
    assert again is not victim
    boss.stop()
    assert again.returncode is not None


def test_an_agent_ends_when_its_pipe_is_cut(environ):
    """Where the kernel sends no signal when the parent dies, the closed pipe ends an agent."""
    boss, _ = supervisor(Clock(), next(p for p in crew(1, 1) if p.worker == "grader-1"))
    boss.environ = environ
    boss.tick(1000.0)
    process = running(boss, "grader-1")
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(HANGS) == 0
    boss.stop()


def test_a_process_that_has_ended_is_not_killed_by_its_number_again(monkeypatch):
    """Another process may have its id by then."""
    killed: list[int] = []
    monkeypatch.setattr("dashboard.embedded.process.end_group", killed.append)
    child = Child("short", subprocess.Popen([sys.executable, "-c", ""], start_new_session=True))
    child.process.wait()
    child.stop()
    child.stop()
    assert killed == [child.process.pid]


def test_a_program_that_does_not_listen_is_ended_all_the_same(monkeypatch):
    monkeypatch.setattr("demo.supervisor.STOP_SECONDS", 0.2)
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    boss, _ = supervisor(Clock())
    boss.children.append(Child("deaf", process))
    boss.stop()
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL


def test_a_second_request_to_stop_does_not_cut_the_tidying_short():
    """The signal and the end of the pipe may come together."""
    tidied = []

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(10):  # turns of the loop, in one of which the signal arrives
                await asyncio.sleep(0)
            tidied.append(True)

    asyncio.run(until_told(work()))
    assert tidied

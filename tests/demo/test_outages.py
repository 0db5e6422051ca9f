"""Agents survive outages of PostgreSQL and Valkey without a restart."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from psycopg.types.json import Jsonb

from agent_sessions import StorageUnavailable, schema
from dashboard.embedded import Servers, postgres, running, silently, valkey
from dashboard.embedded.process import Child
from demo import patience
from demo.supervisor import Program
from tests.support.waiting import HANGS

ESSAYS = ["7b/clara-w", "7b/emilia-f", "7b/felix-n", "7b/hannah-b", "7b/lea-p", "7b/luca-m"]


@pytest.fixture
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("own")
    folder.chmod(0o711)
    folder.parent.chmod(0o711)
    with running(Servers(folder, durable=True)) as servers:
        schema.migrate(postgres.url(folder))
        yield servers


@pytest.fixture
def grader(own_servers: Servers, tmp_path: Path) -> Iterator[Child]:
    program = Program("grader-1", "demo.grader", ("grader-1",))
    folder = own_servers.data_dir
    child = program.start(
        {
            **os.environ,
            "DATABASE_URL": postgres.url(folder),
            "VALKEY_URL": valkey.url(folder),
            "DEMO_DIR": str(tmp_path),
            "DEMO_PACE": "0.15",
            "PYTHONPATH": str(settings.BASE_DIR),
        },
    )
    yield child
    child.stop()


def until(url: str, question: str, seconds: float = HANGS) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with psycopg.connect(url) as connection:
            row = connection.execute(question.encode()).fetchone()
        if row is not None and row[0]:
            return
        assert time.monotonic() < deadline, f"it did not happen: {question}"
        time.sleep(0.05)


def create_session(url: str) -> None:
    context = {"class": "7b", "subject": "Deutsch", "essays": ESSAYS, "grades": {}}
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO agent_sessions (id, agent_type, user_id, context, metadata, created_at,"
            " updated_at, last_heartbeat) VALUES (gen_random_uuid(), 'grader', 't@example', %s, %s,"
            " now(), now(), now())",
            [Jsonb(context), Jsonb({"worker": "grader-1"})],
        )


MARKED = "SELECT count(*) >= {} FROM agent_session_checkpoints WHERE name = 'essay_marked'"
COMPLETED = "SELECT count(*) = 1 FROM agent_sessions WHERE state = 'completed'"
EACH_ONCE = f"""
    SELECT count(*) = {len(ESSAYS)} AND count(DISTINCT data ->> 'essay') = {len(ESSAYS)}
    FROM agent_session_checkpoints WHERE name = 'essay_marked'"""


def test_a_grader_goes_on_when_postgresql_and_valkey_are_back(own_servers, grader):
    url = postgres.url(own_servers.data_dir)
    create_session(url)
    until(url, MARKED.format(1))
    valkey_child = own_servers.children.pop()
    valkey_child.stop()
    until(url, MARKED.format(3))
    own_servers.children.pop().stop()
    time.sleep(1.5)
    own_servers.children.append(postgres.start(own_servers.data_dir, silently, durable=True))
    own_servers.children.append(valkey.start(own_servers.data_dir, silently))
    until(url, COMPLETED)
    until(url, EACH_ONCE, 1)
    assert grader.process.poll() is None


async def test_waiting_grows_and_ends_with_the_outage(caplog):
    slept: list[float] = []
    answers: Iterator[Exception | int] = iter(
        [StorageUnavailable("away"), ConnectionError("away"), StorageUnavailable("a"), 7]
    )

    async def call() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    assert await patience.patiently("asking", call, sleep) == 7
    assert [round(s / (0.5 * 2**n)) for n, s in enumerate(slept)] == [1, 1, 1]
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "asking",
        "the store answers again",
    ]


async def test_an_error_that_waiting_does_not_mend_is_raised_at_once():
    async def call() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await patience.patiently("asking", call)


def test_no_wait_is_longer_than_its_limit():
    waits = patience.Waits()
    assert max(waits.next() for _ in range(20)) <= 1.25 * patience.LONGEST_WAIT

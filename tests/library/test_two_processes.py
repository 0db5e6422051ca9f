"""Two processes that write one session concurrently lose nothing."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from agent_sessions import SessionManager
from tests.library.people import Sql, history
from tests.library.replay import replayed
from tests.support.waiting import HANGS

ROOT = Path(__file__).parents[2]
WHO = ("lea", "luca")


async def write_at_once(
    database_url: str, valkey_url: str, session_id: str, work: str
) -> list[dict[str, int]]:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.library.writer_process",
            database_url, valkey_url, session_id, name, work,
            cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )
        for name in WHO
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), HANGS) == b"ready\n"
    outputs = await asyncio.gather(
        *(asyncio.wait_for(p.communicate(b"go\n"), HANGS) for p in processes)
    )
    assert [p.returncode for p in processes] == [0, 0]
    return [json.loads(output) for output, _ in outputs]


@pytest.mark.parametrize("valkey", [False, True], ids=["PostgreSQL", "PostgreSQL and Valkey"])
async def test_each_keeps_its_keys_and_its_checkpoints(
    manager: SessionManager, database_url: str, valkey_url: str, sql: Sql, valkey: bool
) -> None:
    session = await manager.create_session("grader", context={"of": {}})
    await write_at_once(database_url, valkey_url if valkey else "", session.session_id, "own")
    stored = await manager.read(session.session_id)
    assert stored is not None
    expected = {f"{name} {n}": n for name in WHO for n in range(40)}
    assert stored.context == expected | {"of": {"lea": 39, "luca": 39}}
    checkpoints = await manager.get_checkpoints(session.session_id, limit=1000)
    for name in WHO:
        assert [c.data["n"] for c in checkpoints if c.name == name] == list(range(40))
    assert [c.n for c in checkpoints] == list(range(1, 82))
    entries = await history(sql, session.session_id)
    assert replayed(entries) == (81, "active", 0)


async def test_on_the_same_path_one_meets_a_conflict_and_succeeds_after_loading_again(
    manager: SessionManager, database_url: str, valkey_url: str
) -> None:
    session = await manager.create_session("grader", context={"count": 0})
    met = await write_at_once(database_url, valkey_url, session.session_id, "same")
    stored = await manager.read(session.session_id)
    assert stored is not None and stored.context == {"count": 80}, "no increment is lost"
    assert sum(m["conflicts"] for m in met) > 0
    checkpoints = await manager.get_checkpoints(session.session_id, limit=1000)
    assert len(checkpoints) == 81, "what met a conflict stored nothing"

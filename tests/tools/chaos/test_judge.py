"""The judge of the drills finds lost and double writes and wrong claims."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from agent_sessions import SessionManager
from tools.chaos.agent_faults import one_after_the_other
from tools.chaos.agent_processes import AgentProcess, Crew
from tools.chaos.healthz_log import HealthzLog
from tools.chaos.http_client import Visitor
from tools.chaos.ledger import STEP, Ledger, read
from tools.chaos.verification import (
    VisibleVersions,
    Window,
    effects,
    unexplained,
    writes,
    wrong_claims,
)
from tools.chaos.websocket_client import Claim, ClaimingPage
from tools.chaos.world import World

NOBODY = Window("", 0, 0)


class Database:
    """The part of a world that the judge needs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lost: tuple[float, float] | None = None

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def database(database_url: str) -> Any:
    return Database(database_url)


@pytest.fixture
async def agent(manager: SessionManager, tmp_path: Path) -> AgentProcess:
    session = await manager.create_session("grader", "chaos", {"saves": {}})
    agent = AgentProcess(session.session_id, tmp_path / "ledger")
    ledger = Ledger(agent.ledger)
    async with manager.attach(agent.session_id, complete=False) as run:
        for n in (1, 2, 3):
            kind = "save" if n == 3 else STEP
            ledger.note("try", n=n, kind=kind)
            if kind == "save":
                run.context["saves"][str(n)] = True
                await run.save()
            else:
                await run.checkpoint(STEP, {"n": n})
            ledger.note("stored", n=n, kind=kind)
    return agent


async def test_what_is_stored_once_is_neither_lost_nor_double(
    agent: AgentProcess, database: Any
) -> None:
    found = writes(database, Crew([agent]))
    assert (found.attempted, found.acknowledged, found.lost, found.twice) == (3, 3, 0, 0)
    assert unexplained(database, Crew([agent])) == 0


async def test_an_acknowledged_write_that_is_not_there_is_lost(
    agent: AgentProcess, database: Any
) -> None:
    database.sql("UPDATE agent_sessions SET context = '{\"saves\": {}}'")
    Ledger(agent.ledger).note("stored", n=4, kind=STEP)
    assert writes(database, Crew([agent])).lost == 2


async def test_what_a_restore_took_back_by_design_is_not_lost(
    agent: AgentProcess, database: Any
) -> None:
    Ledger(agent.ledger).note("stored", n=4, kind=STEP)
    at = agent.entries("stored")[-1]["at"]
    assert writes(database, Crew([agent])).lost == 1
    database.lost = (at - 0.001, at + 0.001)
    assert writes(database, Crew([agent])).lost == 0
    Ledger(agent.ledger).note("stored", n=5, kind=STEP)
    assert writes(database, Crew([agent])).lost == 1


async def test_a_save_that_was_rolled_back_is_not_lost(
    manager: SessionManager, agent: AgentProcess, database: Any
) -> None:
    await manager.rollback(agent.session_id, 2, actor="chaos")
    assert writes(database, Crew([agent])).lost == 0


async def test_a_write_that_is_there_twice_is_noticed(
    manager: SessionManager, agent: AgentProcess, database: Any
) -> None:
    async with manager.attach(agent.session_id, complete=False) as run:
        await run.checkpoint(STEP, {"n": 2})
    assert writes(database, Crew([agent])).twice == 1


async def test_a_version_without_history_is_noticed(agent: AgentProcess, database: Any) -> None:
    database.sql(
        "SET session_replication_role = replica; UPDATE agent_sessions SET version = version + 1"
    )
    assert unexplained(database, Crew([agent])) == 1


async def test_an_order_that_had_no_effect_is_noticed(agent: AgentProcess, database: Any) -> None:
    assert effects(database, agent.session_id, agent.session_id) == 0


def test_a_line_that_a_killed_agent_did_not_finish_is_no_line(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    Ledger(ledger).note("try", n=1, kind=STEP)
    with ledger.open("a") as file:
        file.write('{"at": 1, "wha')
    assert [entry["n"] for entry in read(ledger)] == [1]


def page_saying(*claims: Claim) -> ClaimingPage:
    page = ClaimingPage("http://nowhere", "", ["s"])
    page.claims = list(claims)
    return page


def claim(at: float, state: str, version: int, *, old: bool = False, paused: str = "") -> Claim:
    return Claim(at, state, old, {"s": version}, frozenset(paused))


CHANGED = VisibleVersions([("s", 1, 100.0), ("s", 2, 110.0)])


@pytest.mark.parametrize(
    ("shown", "away", "wrong"),
    [
        (claim(115, "live", 1), NOBODY, 0),
        (claim(117, "live", 2), NOBODY, 0),
        (claim(117, "live", 1), NOBODY, 1),
        (claim(117, "live", 3), NOBODY, 1),
        (claim(109, "live", 2), NOBODY, 1),
        (claim(117, "catching-up", 3), NOBODY, 0),
        (claim(121, "live", 1), Window("", 0, 0, grace=12), 0),
        (claim(117, "live", 3), Window("", 0, 0, restored_at=112), 0),
        (claim(119, "live", 3), Window("", 0, 0, restored_at=112), 1),
        (claim(117, "catching-up", 1), NOBODY, 0),
        (claim(117, "offline", 1), NOBODY, 0),
        (claim(130, "live", 2), Window("database", 120, 140), 1),
        (claim(125, "live", 2), Window("database", 120, 140), 0),
        (claim(130, "live", 2), Window("valkey", 120, 140), 1),
        (claim(130, "live", 2, old=True), Window("valkey", 120, 140), 0),
    ],
)
def test_a_page_is_judged_by_what_it_could_have_known(
    shown: Claim, away: Window, wrong: int
) -> None:
    found = wrong_claims(page_saying(shown), CHANGED, away, Crew(), resumed_at=200)
    assert len(found) == wrong


OK = {"code": 200, "database": "ok", "valkey": "ok"}


@pytest.mark.parametrize(
    ("said", "unwell", "wrong"),
    [
        (OK, "", 0),
        (OK, "valkey", 1),
        (OK, "database", 1),
        ({**OK, "valkey": "takes no writes: OOM"}, "valkey", 0),
        ({**OK, "code": 503, "database": "read-only"}, "database", 0),
        ({**OK, "code": 503}, "database", 1),
    ],
)
def test_what_is_away_may_not_be_called_ok(said: dict[str, Any], unwell: str, wrong: int) -> None:
    health = HealthzLog(Visitor("http://nowhere"))
    health._found = [(110.0, 111.0, said), (101.0, 102.0, OK), (118.0, 121.0, OK)]
    assert len(health.wrong(unwell, 100, 120)) == wrong


def test_writes_of_the_first_owner_after_the_second_has_begun_are_noticed(tmp_path: Path) -> None:
    def child(pid: int) -> Any:
        return SimpleNamespace(process=SimpleNamespace(pid=pid))

    ledger = tmp_path / "ledger"
    agent = AgentProcess("s", ledger, child=child(2), former=[child(1)])
    lines = [(1, "stored", 1), (2, "attached", 2), (2, "stored", 3)]
    write = "".join(f'{{"process": {p}, "what": "{w}", "at": {at}}}\n' for p, w, at in lines)
    ledger.write_text(write)
    assert one_after_the_other(cast(World, None), Crew([agent])) == []
    ledger.write_text(write + '{"process": 1, "what": "stored", "at": 4}\n')
    [words] = one_after_the_other(cast(World, None), Crew([agent]))
    assert words.startswith("1 writes of the first owner")


def test_a_pause_that_is_shown_as_confirmed_while_the_agent_writes_is_a_wrong_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = AgentProcess("s", tmp_path / "ledger")
    monkeypatch.setattr("tools.chaos.ledger.time.time", lambda: 120.05)
    Ledger(agent.ledger).note("try", n=1, kind=STEP)
    shown = page_saying(claim(120, "live", 2, paused="s"))
    crew = Crew([agent])
    [words] = wrong_claims(shown, CHANGED, NOBODY, crew, resumed_at=200)
    assert words == "paused and confirmed, but the agent wrote"
    assert wrong_claims(shown, CHANGED, NOBODY, crew, resumed_at=120.01) == []

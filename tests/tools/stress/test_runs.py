"""Short runs on real servers and processes; plan, proxy, log and report."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from agent_sessions import Conflict
from tools.stress import __main__ as program
from tools.stress.__main__ import Runs, StressOptions, seeds_of
from tools.stress.call_log import NO_END, Log, read
from tools.stress.plan import NEXT, Plan, plan
from tools.stress.proxy import Proxy
from tools.stress.servers import StressServers
from tools.stress.stress_run import StressRun
from tools.stress.violations import Violation

SEEDS = (39, 74)  # together they have every kind of disturbance
SECONDS = 4.0


@pytest.fixture
def place() -> Iterator[StressServers]:
    place = StressServers()
    try:
        place.start_servers()
        yield place
    finally:
        place.stop_servers()


async def test_many_writers_under_outages_break_no_rule(
    place: StressServers, tmp_path: Path
) -> None:
    await place.start_workers()
    try:
        assert all(
            proxy.target.is_socket() for w in place.workers.values() for proxy in w.proxies.values()
        )
        for seed in SEEDS:
            folder, planned = tmp_path / str(seed), plan(seed, SECONDS)
            found = await StressRun(place, planned, folder).run()
            assert [str(violation) for violation in found] == []
            assert all(v.seed == seed for v in found)
            assert was_tried(planned, folder)
    finally:
        await place.stop_workers()


def was_tried(planned: Plan, folder: Path) -> bool:
    """Actors of each kind got answers, and killed agents were restarted."""
    kinds = {actor.name: actor.kind for actor in planned.actors}
    answered = {kinds[call.who] for call in read(folder) if call.who in kinds and call.acknowledged}
    killed = {d.target for d in planned.disturbances if d.kind == "kill"}
    started_again = {path.stem.rpartition("-")[0] for path in folder.glob("*-2.jsonl")}
    return answered == set(kinds.values()) and killed == started_again


# --- the plan ---------------------------------------------------------------------------------------------------


def test_a_seed_determines_the_plan() -> None:
    assert plan(7, 20) == plan(7, 20)
    assert plan(7, 20) != plan(8, 20)


def test_plans_have_every_order_and_every_disturbance() -> None:
    plans = [plan(seed, 20) for seed in range(1, 31)]
    verbs = {order.verb for p in plans for actor in p.actors for order in actor.orders}
    assert verbs == NEXT.keys() - {"begin"}
    kinds = {d.kind for p in plans for d in p.disturbances}
    assert kinds == {"kill", "stop", "cut", "delay", "lose"}
    assert {"postgresql", "valkey"} <= {d.target for p in plans for d in p.disturbances}
    assert all(d.at + d.seconds <= 20 for p in plans for d in p.disturbances)


# --- the proxy --------------------------------------------------------------------------------------------------


@pytest.fixture
async def received(tmp_path: Path) -> AsyncIterator[asyncio.Queue[bytes]]:
    """What a server behind a proxy receives, and sends back."""
    queue: asyncio.Queue[bytes] = asyncio.Queue()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(100):
                await queue.put(data)
                writer.write(data)
        writer.close()

    server = await asyncio.start_unix_server(echo, str(tmp_path / "server"))
    yield queue
    server.close()


@pytest.fixture
async def proxy(tmp_path: Path, received: object) -> AsyncIterator[Proxy]:
    proxy = Proxy(tmp_path / "server")
    await proxy.start()
    yield proxy
    await proxy.stop()


async def is_cut_off(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True


class Always:
    """A random source that delays every message as long as possible."""

    def random(self) -> float:
        return 0.1


async def test_a_cut_ends_connections_and_lets_none_in_until_it_is_mended(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    assert await reader.read(100) == b"hello"
    proxy.cut()
    assert await is_cut_off(reader)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await is_cut_off(reader)
    proxy.mend()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"again")
    assert await reader.read(100) == b"again"
    writer.close()


async def test_what_was_held_back_arrives_after_its_connection_was_cut(
    proxy: Proxy, received: asyncio.Queue[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "random", Always())
    proxy.longest_delay = 5.0
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"late")
    await proxy.held_back.wait()
    proxy.cut()
    assert await is_cut_off(reader)
    assert await received.get() == b"late"


# --- the log ----------------------------------------------------------------------------------------------------


async def test_the_log_has_what_a_call_asked_for_and_what_came_of_it(tmp_path: Path) -> None:
    log = Log(tmp_path / "a-1.jsonl")

    async def refuse() -> None:
        raise Conflict(None, ["a"])

    with pytest.raises(Conflict):
        await log.call("writer", "s", "update_session", refuse, wants={"a": 1})
    log.close()
    [call] = read(tmp_path)
    assert (call.who, call.error, call.is_session_error) == ("writer", "Conflict", True)
    assert call.facts == {"wants": {"a": 1}} and call.refused and not call.acknowledged


def test_of_a_call_that_a_kill_cut_short_the_outcome_is_unknown(tmp_path: Path) -> None:
    begin = {"id": "a:1", "who": "agent", "session": "s", "name": "save", "start": 1.0, "facts": {}}
    (tmp_path / "a-1.jsonl").write_text(json.dumps(begin) + '\n{"id": "a:1", "en')
    [call] = read(tmp_path)
    assert call.end == call.until == NO_END and not call.acknowledged


# --- the report -------------------------------------------------------------------------------------------------


def test_a_violation_is_printed_and_saved_with_seed_session_and_calls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Violation("lost order", "pause returned", "5e551011", [{"id": "x:3"}], seed=7)
    (tmp_path / "seed-7").mkdir()
    Runs(StressOptions((7,), 1.0, 1, tmp_path))._note(7, [found], tmp_path / "seed-7")
    said = capsys.readouterr().out
    assert "seed 7, session 5e551011: pause returned (lost order) [x:3]" in said
    [saved] = json.loads((tmp_path / "seed-7" / "violations.json").read_text())
    assert (saved["seed"], saved["session"], saved["calls"]) == (7, "5e551011", [{"id": "x:3"}])


@pytest.mark.parametrize("found", [[], [Violation("copy", "it is wrong", "s", seed=1)]])
def test_a_violation_is_exit_code_1(
    found: list[Violation], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def no_places(_: int) -> Iterator[list[StressServers]]:
        yield []

    async def run(*_: Any) -> list[Violation]:
        return found

    monkeypatch.setattr(program, "places", no_places)
    monkeypatch.setattr(program, "run", run)
    assert program.main() == len(found)


def test_seeds_are_how_many_or_which() -> None:
    assert seeds_of("3") == (1, 2, 3)
    assert seeds_of("7,9") == (7, 9)
    assert seeds_of("5-8") == (5, 6, 7, 8)
    assert seeds_of("7,") == (7,)

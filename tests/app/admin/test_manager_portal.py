"""Calls from Django's threads to the process's manager: threads, outages, repeats, conflicts."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_sessions import (
    AgentSession,
    Conflict,
    RequestReused,
    SessionManager,
    StorageUnavailable,
    schema,
)
from dashboard.embedded import postgres
from dashboard.embedded.data_folder import prepare
from dashboard.embedded.process import Child
from sessions_app import actions, manager_portal
from sessions_app.actions import explain, perform
from sessions_app.manager_portal import ManagerPortal
from sessions_app.models import HistoryEntry

pytestmark = pytest.mark.usefixtures("transactional_db")


def orders(session: AgentSession) -> list[tuple[str | None, str | None]]:
    entries = HistoryEntry.objects.filter(session_id=session.session_id, kind__in=("order", "edit"))
    return list(entries.order_by("version").values_list("actor", "reason"))


def at_once(times: int, act: Callable[[int], Any]) -> list[Any]:
    """Runs each call in a thread of its own; returns results and exceptions."""

    def caught(n: int) -> Any:
        try:
            return act(n)
        except Exception as error:
            return error

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(caught, range(times)))


def test_many_threads_share_one_manager(create):
    made = [create(user=str(n)) for n in range(24)]
    found = at_once(24, lambda n: perform("pause", made[n].session_id, actor=f"person {n}"))
    assert [outcome.session.session_id for outcome in found] == [s.session_id for s in made]
    assert all(outcome.changed and outcome.session.state == "paused" for outcome in found)
    assert [orders(session) for session in made] == [[(f"person {n}", None)] for n in range(24)]


def test_the_first_calls_of_a_process_may_come_at_once():
    own = ManagerPortal()
    found = at_once(16, lambda n: own.call(lambda m: m.create_session("grader", str(n))))
    assert sorted(int(session.user_id) for session in found) == list(range(16))
    own.close()


def test_after_it_was_closed_it_starts_anew():
    own = ManagerPortal()
    first = own.call(lambda m: m.create_session("grader", "u"))
    own.close()
    own.close()
    again = own.call(lambda m: m.read(first.session_id))
    assert again is not None
    own.close()


def test_a_double_click_has_one_effect(create):
    session, click = create(), uuid.uuid4()
    who: dict[str, Any] = {"actor": "olga", "reason": "stuck", "request_id": click}
    found = at_once(2, lambda _: perform("fail", session.session_id, **who))
    assert [outcome.session.state for outcome in found] == ["failed", "failed"]
    assert orders(session) == [("olga", "stuck")]


def test_fifty_parallel_repeats_of_a_rollback_have_one_effect(create, checkpoint):
    session, click = create(step=0), uuid.uuid4()
    checkpoint(session, "first", step=1)
    checkpoint(session, "second", step=2)
    who: dict[str, Any] = {
        "actor": "olga",
        "reason": "wrong",
        "request_id": click,
        "checkpoint_id": 2,
    }
    found = at_once(50, lambda _: perform("rollback", session.session_id, **who))
    assert {outcome.session.epoch for outcome in found} == {1}
    assert orders(session) == [("olga", "wrong")]


@pytest.mark.parametrize(
    ("verb", "first", "second"),
    [
        ("pause", {"reason": "a"}, {"reason": "b"}),
        ("fail", {"reason": "a"}, {"reason": "a", "actor": "erika"}),
        ("rollback", {"checkpoint_id": 1}, {"checkpoint_id": 2}),
        ("edit", {"context": {"n": 1}}, {"context": {"n": 2}}),
        ("edit", {"metadata": {"n": 1}}, {"context": {"n": 1}}),
    ],
)
def test_the_same_request_with_another_body_is_refused(create, checkpoint, verb, first, second):
    session, click = create(), uuid.uuid4()
    checkpoint(session, "first", step=1)
    common: dict[str, Any] = {"actor": "olga", "reason": "because", "request_id": click}
    assert perform(verb, session.session_id, **{**common, **first}).changed
    with pytest.raises(RequestReused) as refused:
        perform(verb, session.session_id, **{**common, **second})
    assert explain(refused.value)
    assert len(orders(session)) == 1


def test_the_same_request_with_another_verb_is_refused(create):
    session, click = create(), uuid.uuid4()
    perform("pause", session.session_id, actor="olga", request_id=click)
    with pytest.raises(RequestReused):
        perform("resume", session.session_id, actor="olga", request_id=click)


def test_a_conflict_says_who_and_how_it_is_now(create):
    session = create()
    perform("pause", session.session_id, actor="erika", seen_version=1)
    with pytest.raises(Conflict) as conflict:
        perform("fail", session.session_id, actor="olga", reason="x", seen_version=1)
    assert conflict.value.actor == "erika"
    assert conflict.value.current is not None
    assert conflict.value.current.state == "paused"
    assert "erika" in explain(conflict.value)


def test_of_many_who_decide_upon_one_version_one_wins_and_the_others_hear_who(create):
    session = create()
    verbs = ["pause", "fail", "complete", "delete"] * 3
    found = at_once(
        12,
        lambda n: perform(
            verbs[n], session.session_id, actor=f"person {n}", reason="mine", seen_version=1
        ),
    )
    won = [
        outcome for outcome in found if isinstance(outcome, actions.OrderResult) and outcome.changed
    ]
    assert len(won) == 1
    [(winner, _)] = orders(session)
    lost = [error for error in found if isinstance(error, Conflict)]
    assert {error.actor for error in lost} == {winner}
    assert len(lost) + len(won) == 12


# -- Outages of PostgreSQL -----------------------------------------------------------------------
class FragilePostgres:
    """A PostgreSQL server of the test that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = postgres.url(folder)
        self._child: Child | None = None

    def start(self) -> None:
        self._child = postgres.start(self.folder, lambda _: None, durable=False)

    def stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[FragilePostgres]:
    folder = Path(tempfile.mkdtemp(prefix="brg-"))
    folder.chmod(0o711)
    prepare(folder)
    found = FragilePostgres(folder)
    found.start()
    schema.migrate(found.url)
    yield found
    found.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def there(server: FragilePostgres, settings: Any, monkeypatch: Any) -> Iterator[ManagerPortal]:
    """The process's portal, connected to the server that can be stopped."""
    settings.DATABASE_URL = server.url
    own = ManagerPortal()
    monkeypatch.setattr(manager_portal, "call", own.call)
    yield own
    if server._child is None:
        server.start()
    own.close()


def test_while_postgresql_is_away_nothing_is_claimed_and_afterwards_all_is_well(there, server):
    session = manager_portal.call(lambda m: m.create_session("grader", "u"))
    server.stop()
    with pytest.raises(StorageUnavailable) as away:
        perform("pause", session.session_id, actor="olga")
    assert explain(away.value)
    server.start()
    assert perform("pause", session.session_id, actor="olga").changed


def test_an_outage_shorter_than_the_timeout_is_not_noticed(there, server):
    session = manager_portal.call(lambda m: m.create_session("grader", "u"))
    server.stop()
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(perform, "pause", session.session_id, actor="olga")
        server.start()
        assert asked.result(30).changed


def test_a_process_that_starts_without_postgresql_finds_it_later(there, server, monkeypatch):
    """Concurrent callers share one attempt."""
    attempts: list[object] = []
    connect = SessionManager.connect

    async def counted(*addresses: Any, **options: Any) -> SessionManager:
        attempts.append(addresses)
        return await connect(*addresses, **options)

    monkeypatch.setattr(SessionManager, "connect", counted)
    server.stop()
    found = at_once(6, lambda _: manager_portal.call(lambda m: m.get_active_sessions()))
    assert {type(error) for error in found} == {StorageUnavailable}
    assert len(attempts) < 6
    server.start()
    assert manager_portal.call(lambda m: m.get_active_sessions()) is not None


# -- Calls without a time limit --------------------------------------------------------------------
def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.is_alive()}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager_portal, "CALL_TIMEOUT", 1.0)
    monkeypatch.setattr(manager_portal, "SHUTDOWN_TIMEOUT", 0.5)


@pytest.mark.usefixtures("impatient")
def test_a_postgresql_that_takes_the_question_and_never_answers_holds_nobody(there, server):
    session = manager_portal.call(lambda m: m.create_session("grader", "u"))
    assert server._child is not None
    frozen = [*psutil.Process(server._child.process.pid).children(recursive=True)]
    for process in frozen:
        process.suspend()
    try:
        with pytest.raises(StorageUnavailable, match="not known whether it was stored"):
            there.call(lambda m: m.fail_silent(session.session_id, timedelta(0)))
    finally:
        for process in frozen:
            process.resume()
    found = there.call(lambda m: m.read(session.session_id))
    assert found is not None and found.state in ("active", "failed")


@pytest.mark.usefixtures("impatient")
def test_what_never_ends_does_not_keep_the_process_from_ending():
    own, before = ManagerPortal(), threads()
    with pytest.raises(StorageUnavailable):
        own.run(lambda: asyncio.sleep(3600))
    own.close()
    assert threads() == before


@pytest.mark.usefixtures("impatient")
def test_closing_while_a_connection_is_tried_ends(settings: Any):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.DATABASE_URL = f"postgresql://x@127.0.0.1:{silent.getsockname()[1]}/x"
        own, before = ManagerPortal(), threads()
        with pytest.raises(StorageUnavailable):
            own.call(lambda m: m.get_active_sessions())
        own.close()
    assert threads() == before


def test_a_failed_shutdown_task_is_raised_and_leaves_no_thread():
    async def fails() -> None:
        raise ZeroDivisionError

    own, before = ManagerPortal(), threads()
    own.call(lambda m: m.get_active_sessions())
    own.at_close(fails)
    with pytest.raises(ZeroDivisionError):
        own.close()
    assert threads() == before
    assert own.call(lambda m: m.get_active_sessions()) == []
    own.close()


def test_a_loop_that_died_is_replaced():
    own = ManagerPortal()
    own.call(lambda m: m.get_active_sessions())
    assert own._portal is not None
    own._portal.call(own._portal.stop, True)
    assert own.call(lambda m: m.get_active_sessions()) == []
    own.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_portal_of_its_own(create):
    session = create()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        found = manager_portal.call(lambda m: m.read(session.session_id))
        os._exit(0 if found is not None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert manager_portal.call(lambda m: m.read(session.session_id)) is not None

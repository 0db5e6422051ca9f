"""Repetition is harmless: double clicks, fifty at once, and a connection lost during a commit."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from psycopg_pool import AsyncConnectionPool

from agent_sessions import RequestReused, SessionManager, StaleEpoch, StorageUnavailable
from tests.library.conftest import Make
from tests.library.lossy import LossyWay
from tests.library.people import OLGA, OTTO, Sql, history, names, row, rows
from tests.support.waiting import HANGS

COMMIT = b"COMMIT"
T = TypeVar("T")


# --- the same request again ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("pause", []),
        ("complete", [{"essays": 3}]),
        ("fail", ["why"]),
        ("rollback", [1]),
        ("delete", []),
    ],
)
async def test_fifty_parallel_repeats_have_one_effect_and_one_entry(
    another: Make, sql: Sql, verb: str, arguments: list[Any]
) -> None:
    managers = [await another() for _ in range(3)]
    session = await managers[0].create_session("grader")
    request_id = uuid.uuid4()
    answers = await asyncio.gather(
        *(
            getattr(managers[n % 3], verb)(
                session.session_id, *arguments, request_id=request_id, **OLGA
            )
            for n in range(50)
        )
    )
    assert {a.version for a in answers} == {2}
    assert [e["kind"] for e in await history(sql, session.session_id)] == ["created", "order"]
    assert len(await names(managers[0], session.session_id)) == (3 if verb == "rollback" else 2)


async def test_a_repeated_acknowledgement_has_no_effect(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    paused = await anywhere.pause(session.session_id, **OLGA)
    versions = []
    for _ in range(2):
        await anywhere.acknowledge(session.session_id, paused.order_version)
        found = await anywhere.read(session.session_id)
        assert found is not None
        versions.append(found.version)
    assert versions == [3, 3]


async def test_an_acknowledgement_confirms_the_order_of_its_session_alone(
    anywhere: SessionManager,
) -> None:
    one, other = [await anywhere.create_session("grader") for _ in range(2)]
    for each in (one, other):
        ordered = await anywhere.pause(each.session_id, **OLGA)
    await anywhere.acknowledge(one.session_id, ordered.order_version)
    found = await anywhere.read(other.session_id)
    assert found is not None
    assert (found.version, found.acknowledged_version) == (2, 0)


async def test_a_repeated_request_stays_without_effect_after_the_session_went_on(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    request_id = uuid.uuid4()
    await anywhere.pause(session.session_id, request_id=request_id, **OLGA)
    await anywhere.resume(session.session_id, **OTTO)
    again = await anywhere.pause(session.session_id, request_id=request_id, **OLGA)
    assert again.state == "active"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("pause", [], OLGA), ("resume", [], OLGA)),
        (("pause", [], OLGA), ("pause", [], OTTO)),
        (("pause", [], OLGA), ("pause", [], OLGA | {"reason": "another"})),
        (("complete", [{"a": 1}], OLGA), ("complete", [{"a": 2}], OLGA)),
        (("fail", ["this"], OLGA), ("fail", ["that"], OLGA)),
        (("rollback", [1], OLGA), ("rollback", [2], OLGA)),
        (("edit", [], OLGA | {"context": {"a": 1}}), ("edit", [], OLGA | {"context": {"a": 2}})),
    ],
    ids=lambda call: " ".join(str(part) for part in call[:2]),
)
async def test_the_same_id_with_another_request_is_refused(
    anywhere: SessionManager, first: tuple[str, Any, Any], second: tuple[str, Any, Any]
) -> None:
    session = await anywhere.create_session("grader")
    session.checkpoint("essay_marked")
    await anywhere.update_session(session)
    request_id = uuid.uuid4()

    async def call(verb: str, arguments: list[Any], who: dict[str, Any]) -> Any:
        return await getattr(anywhere, verb)(
            session.session_id, *arguments, request_id=request_id, **who
        )

    done = await call(*first)
    assert (await call(*first)).version == done.version
    with pytest.raises(RequestReused, match="this request id was used before"):
        await call(*second)
    after = await anywhere.read(session.session_id)
    assert after is not None and after.version == done.version


# --- a lost answer ------------------------------------------------------------------------------
@pytest.fixture
async def way(database_url: str) -> AsyncIterator[LossyWay]:
    async with LossyWay(database_url) as way:
        yield way


@pytest.fixture(params=["autocommit", "transactions"])
async def manager(request: pytest.FixtureRequest, way: LossyWay) -> AsyncIterator[SessionManager]:
    """A manager behind the lossy proxy, over a pool as the library opens it, and over one without autocommit."""
    async with AsyncConnectionPool(
        way.url,
        min_size=1,
        max_size=2,
        open=False,
        timeout=0.5,
        kwargs={"autocommit": request.param == "autocommit", "prepare_threshold": None},
        check=AsyncConnectionPool.check_connection,
    ) as pool:
        manager = SessionManager(None, pool, retry_seconds=3)
        yield manager
        way.stay_closed(False)
        await manager.close()


async def persistently(call: Callable[[], Awaitable[T]]) -> T:
    """Repeats the same call until it is answered."""
    while True:
        with suppress(StorageUnavailable):
            return await asyncio.wait_for(call(), HANGS)


def marker(manager: SessionManager, statement: bytes) -> bytes:
    """The text that ends the transaction: COMMIT, or with autocommit the statement itself."""
    pool = manager._store._pool  # type: ignore[attr-defined]
    return statement if pool.kwargs and pool.kwargs["autocommit"] else COMMIT


async def test_a_checkpoint_whose_commit_was_not_answered_is_stored_once(
    manager: SessionManager, way: LossyWay, sql: Sql
) -> None:
    session = await manager.create_session("grader")
    way.lose(marker(manager, b"locked AS MATERIALIZED"))
    session.checkpoint("essay_marked", {"essay": 1})
    session.context["marked"] = 1
    await manager.update_session(session)
    assert way.lost.is_set()
    assert await names(manager, session.session_id) == ["session_created", "essay_marked"]
    assert [e["version"] for e in await history(sql, session.session_id)] == [1, 2]
    session.checkpoint("essay_marked", {"essay": 2})
    await manager.update_session(session)
    assert [c.n for c in session.checkpoints] == [1, 2, 3]


async def test_what_others_wrote_before_a_lost_answer_was_asked_for_again_is_kept(
    manager: SessionManager, way: LossyWay, another: Make
) -> None:
    session = await manager.create_session("grader")
    made = session.checkpoint("essay_marked", {"essay": 1})
    session.context["mine"] = 1
    way.stay_closed(True)
    way.lose(marker(manager, b"locked AS MATERIALIZED"))
    saving = asyncio.create_task(persistently(lambda: manager.update_session(session)))
    await asyncio.wait_for(way.lost.wait(), HANGS)
    other = await another()
    theirs = await other.read(session.session_id)
    assert theirs is not None
    theirs.checkpoint("letter_written")
    theirs.context["theirs"] = 1
    await other.update_session(theirs)
    way.stay_closed(False)
    await saving
    assert (made.n, made.id) == (2, f"{session.session_id}:2")
    assert session.context == {"mine": 1, "theirs": 1}
    assert [(c.n, c.name) for c in session.checkpoints[1:]] == [
        (2, "essay_marked"),
        (3, "letter_written"),
    ]
    session.context["mine"] = 2
    await manager.update_session(session)
    stored = await other.read(session.session_id)
    assert stored is not None and stored.context == {"mine": 2, "theirs": 1}


async def test_a_session_whose_creation_was_not_answered_exists_once(
    manager: SessionManager, way: LossyWay, sql: Sql
) -> None:
    way.lose(marker(manager, b"INSERT INTO agent_sessions"))
    session = await manager.create_session("grader")
    assert way.lost.is_set()
    assert [r["id"] for r in await rows(sql, "SELECT id::text FROM agent_sessions")] == [
        session.session_id
    ]


async def test_an_order_whose_commit_was_not_answered_is_given_once(
    manager: SessionManager, way: LossyWay, sql: Sql
) -> None:
    session = await manager.create_session("grader")
    way.lose(COMMIT)
    ordered = await manager.fail(session.session_id, "why", **OLGA)
    assert way.lost.is_set()
    assert (ordered.version, ordered.epoch) == (2, 1)
    assert len(await history(sql, session.session_id)) == 2
    assert await manager.delete_session(session.session_id) is True
    restored = await manager.restore(session.session_id, **OLGA)
    way.lose(COMMIT)
    assert await manager.delete_session(session.session_id) is True, "it was this call that did it"
    assert (await row(sql, session.session_id))["version"] == restored.version + 1


async def test_a_copy_whose_write_is_answered_after_an_order_stays_what_it_was(
    manager: SessionManager, way: LossyWay, another: Make
) -> None:
    session = await manager.create_session("grader")
    way.stay_closed(True)
    way.lose(marker(manager, b"locked AS MATERIALIZED"))
    session.checkpoint("essay_marked", {"essay": 1})
    saving = asyncio.create_task(manager.update_session(session))
    await way.lost.wait()
    failed = await (await another()).fail(session.session_id, "why", **OLGA)
    way.stay_closed(False)
    await saving
    assert failed.epoch == 1
    assert (session.state, session.epoch, session.order_version) == ("active", 0, 0)
    session.checkpoint("essay_marked", {"essay": 2})
    with pytest.raises(StaleEpoch):
        await manager.update_session(session)


@pytest.mark.parametrize("metadata", [False, True], ids=["fast", "careful"])
async def test_an_agent_that_calls_again_after_an_unknown_outcome_stores_once(
    manager: SessionManager, way: LossyWay, sql: Sql, metadata: bool
) -> None:
    session = await manager.create_session("grader")
    manager._store._retry_seconds = 0.2  # type: ignore[attr-defined]
    async with manager.attach(session.session_id, interval=3600, complete=False) as run:
        await run.checkpoint("essay_marked", {"essay": 1})
        way.stay_closed(True)
        way.lose(COMMIT if metadata else marker(manager, b"locked AS MATERIALIZED"))
        run.context["marked"] = 2
        if metadata:
            run.session.metadata["school"] = "IGS"
        with pytest.raises(StorageUnavailable):
            await run.checkpoint("essay_marked", {"essay": 2})
        assert (await row(sql, session.session_id))["context"] == {"marked": 2}, "it was stored"
        way.stay_closed(False)
        run.context["meanwhile"] = 1
        made = await persistently(lambda: run.checkpoint("essay_marked", {"essay": 2}))
        assert made.n == 3
        await run.checkpoint("essay_marked", {"essay": 2})  # the same values on purpose
    checkpoints = await manager.get_checkpoints(session.session_id)
    assert [c.data.get("essay") for c in checkpoints] == [None, 1, 2, 2]
    assert (await row(sql, session.session_id))["context"] == {"marked": 2, "meanwhile": 1}
    versions = [e["version"] for e in await history(sql, session.session_id)]
    assert versions == list(range(1, len(versions) + 1))


async def test_an_unknown_outcome_that_was_not_stored_is_stored_by_the_next_call(
    manager: SessionManager, way: LossyWay, sql: Sql
) -> None:
    session = await manager.create_session("grader")
    manager._store._retry_seconds = 0.1  # type: ignore[attr-defined]
    way.lost.set()
    way.stay_closed(True)
    way._cut()  # the statement never arrives
    session.checkpoint("essay_marked", {"essay": 1})
    with pytest.raises(StorageUnavailable):
        await manager.update_session(session)
    assert len(await history(sql, session.session_id)) == 1
    way.stay_closed(False)
    await persistently(lambda: manager.update_session(session))
    assert len(await history(sql, session.session_id)) == 2
    assert session.new_checkpoints == []


async def test_a_rollback_in_between_refuses_what_is_tried_again(
    manager: SessionManager, way: LossyWay, another: Make
) -> None:
    from agent_sessions import StaleEpoch

    session = await manager.create_session("grader")
    manager._store._retry_seconds = 0.1  # type: ignore[attr-defined]
    way.stay_closed(True)
    way.lose(marker(manager, b"locked AS MATERIALIZED"))
    session.checkpoint("essay_marked", {"essay": 1})
    with pytest.raises(StorageUnavailable):
        await manager.update_session(session)
    boss = await another(valkey=False)
    await boss.rollback(session.session_id, 1, **OLGA)
    way.stay_closed(False)
    session.checkpoint("essay_marked", {"essay": 2})
    with pytest.raises(StaleEpoch):
        await persistently(lambda: manager.update_session(session))
    marked = [c for c in await boss.get_checkpoints(session.session_id) if c.name == "essay_marked"]
    assert [c.data["essay"] for c in marked] == [1]

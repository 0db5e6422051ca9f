"""Which errors leave a session open for another attempt, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from agent_sessions import Conflict, Failed, InvalidInput, SessionManager
from tests.library.people import OLGA
from tests.library.test_owners import read

BUSY = ConnectionError("model API answered 529")


async def attempt(manager: SessionManager, session_id: str, error: Exception = BUSY) -> None:
    """One attempt of an agent whose model does not answer."""
    async with manager.attach(session_id, retry_on=(ConnectionError,), attempts=3) as run:
        run.context["half done"] = True
        raise error


async def test_an_error_to_be_tried_again_leaves_the_session_open_and_is_counted(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(ConnectionError) as left:
        await attempt(anywhere, session.session_id)
    assert left.value.__notes__[-1].endswith("stays open: attach again to go on")
    found = await read(anywhere, session.session_id)
    assert (found.state, found.failed_attempts, found.owner_id) == ("active", 1, None)
    assert found.context == {}


async def test_an_error_after_the_work_was_completed_is_no_attempt(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(ConnectionError):
        async with anywhere.attach(session.session_id, retry_on=(ConnectionError,)) as run:
            await run.complete()
            raise BUSY
    found = await read(anywhere, session.session_id)
    assert (found.state, found.failed_attempts) == ("completed", 0)


async def test_the_last_attempt_fails_the_session_and_says_with_what(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    for _ in range(3):
        assert (await read(anywhere, session.session_id)).state == "active"
        with pytest.raises(ConnectionError):
            await attempt(anywhere, session.session_id)
    found = await read(anywhere, session.session_id)
    assert found.state == "failed"
    assert found.checkpoints[-1].data["details"]["attempts"] == 3
    with pytest.raises(Failed, match="model API answered 529") as failed:
        await attempt(anywhere, session.session_id)
    assert failed.value.error == "ConnectionError: model API answered 529"
    assert (failed.value.actor, failed.value.reason) == (None, None)


async def test_progress_in_between_does_not_lift_the_bound(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    for n in range(2):
        with pytest.raises(ConnectionError):
            async with anywhere.attach(
                session.session_id, retry_on=ConnectionError, attempts=2
            ) as run:
                await run.checkpoint("essay_marked", {"n": n})
                raise BUSY
    assert (await read(anywhere, session.session_id)).state == "failed"


async def test_a_rollback_begins_the_count_anew(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(ConnectionError):
        await attempt(anywhere, session.session_id)
    await anywhere.rollback(session.session_id, 1, **OLGA)
    assert (await read(anywhere, session.session_id)).failed_attempts == 0


async def test_what_a_framework_or_a_task_group_wrapped_counts_too(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    wrapped = RuntimeError("a tool failed")
    wrapped.__cause__ = BUSY
    for error in (wrapped, ExceptionGroup("two tools", [BUSY, wrapped])):
        with pytest.raises(type(error)):
            await attempt(anywhere, session.session_id, error)
    found = await read(anywhere, session.session_id)
    assert (found.state, found.failed_attempts) == ("active", 2)


async def test_any_other_error_fails_the_session_at_once(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(ExceptionGroup):
        mixed = ExceptionGroup("two tools", [BUSY, KeyError("essay")])
        await attempt(anywhere, session.session_id, mixed)
    assert (await read(anywhere, session.session_id)).state == "failed"


async def test_failed_names_who_failed_it_and_not_who_ordered_before(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    await anywhere.pause(session.session_id, **OLGA)
    await anywhere.resume(session.session_id, **OLGA)
    with pytest.raises(ZeroDivisionError):
        async with anywhere.attach(session.session_id):
            raise ZeroDivisionError("no essays")
    with pytest.raises(Failed) as failed:
        async with anywhere.attach(session.session_id):
            pass
    assert "olga" not in str(failed.value)
    assert "ZeroDivisionError: no essays" in str(failed.value)


async def test_failed_by_a_person_says_reason_and_error(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    await anywhere.fail(session.session_id, "wrong class", **OLGA)
    with pytest.raises(Failed) as failed:
        async with anywhere.attach(session.session_id):
            pass
    assert (failed.value.actor, failed.value.error) == ("olga", "wrong class")
    assert failed.value.reason == OLGA["reason"]
    assert "wrong class" in str(failed.value) and OLGA["reason"] in str(failed.value)


async def test_a_bound_below_one_is_refused(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(InvalidInput, match="attempts must be a whole number, 1 or more"):
        anywhere.attach(session.session_id, attempts=0)


async def test_parts_that_each_leave_the_session_open_leave_it_open_together(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    mixed = ExceptionGroup("two parts", [BUSY, Conflict(None, ["marks.Anna"])])
    with pytest.raises(ExceptionGroup):
        await attempt(anywhere, session.session_id, mixed)
    found = await read(anywhere, session.session_id)
    assert (found.state, found.failed_attempts) == ("active", 1)


@pytest.mark.parametrize("group", [False, True])
async def test_an_error_that_is_the_cause_of_its_own_cause_fails_the_session(
    anywhere: SessionManager, group: bool
) -> None:
    """As `raise error.__cause__ from error` or `raise group.exceptions[0] from group` causes."""
    session = await anywhere.create_session("grader")
    inner, wrapper = KeyError("essay"), RuntimeError("a tool failed")
    inner.__cause__, wrapper.__cause__ = wrapper, inner
    if group:
        inner.__cause__ = ExceptionGroup("a part", [inner])
    with pytest.raises(KeyError):
        await attempt(anywhere, session.session_id, inner)
    found = await read(anywhere, session.session_id)
    assert found.state == "failed"
    assert found.checkpoints[-1].data["error"] == "KeyError: 'essay'"


class Speechless(Exception):
    def __str__(self) -> str:
        raise AttributeError("response")


@pytest.mark.parametrize("error", [Speechless(), ConnectionError(Speechless())])
async def test_an_error_that_cannot_be_told_is_the_one_that_is_seen(
    anywhere: SessionManager, error: Exception
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(type(error)):
        await attempt(anywhere, session.session_id, error)
    found = await read(anywhere, session.session_id)
    assert found.state == "failed" or found.failed_attempts == 1


@pytest.mark.parametrize("kinds", [[ConnectionError], "ConnectionError", (ConnectionError, 429)])
async def test_what_is_no_kind_of_error_is_refused_before_the_work_begins(
    anywhere: SessionManager, kinds: Any
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(InvalidInput, match="retry_on must be"):
        anywhere.attach(session.session_id, retry_on=kinds)

"""The last save of a block: what is unsaved when it is left, and what an error of that save does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from agent_sessions import (
    Conflict,
    HandedBack,
    InvalidInput,
    RolledBack,
    Run,
    SessionManager,
    TakenOver,
)
from agent_sessions.validation import MAX_CONTEXT_BYTES
from tests.library.conftest import Make
from tests.library.people import OLGA, names
from tests.library.test_owners import read

BUSY = ConnectionError("model API answered 529")
NOT_STORED = "changes since the last save were not stored: the next attempt starts from that save"


def change(run: Run) -> None:
    """Changes everything that an agent may change, without a save."""
    run.context["unsaved"] = 1
    run.session.metadata["unsaved"] = 2
    run.session.checkpoint("unsaved", {"n": 3})


async def assert_stored(manager: SessionManager, session_id: str) -> None:
    found = await read(manager, session_id)
    assert (found.state, found.owner_id) == ("active", None)
    assert (found.context, found.metadata) == ({"unsaved": 1}, {"unsaved": 2})
    assert (await names(manager, session_id))[-1] == "unsaved"


async def test_a_block_that_leaves_its_session_open_stores_what_is_unsaved(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    async with anywhere.attach(session.session_id, complete=False) as run:
        change(run)
    await assert_stored(anywhere, session.session_id)


async def test_a_block_that_changed_nothing_writes_nothing(durable: SessionManager) -> None:
    session = await durable.create_session("grader")
    async with durable.attach(session.session_id, complete=False):
        before = await read(durable, session.session_id)
    after = await read(durable, session.session_id)
    assert after.context_version == before.context_version
    assert after.version == before.version + 1  # the lease was released


@pytest.mark.parametrize("swallowed", [False, True])
async def test_handing_back_stores_what_is_unsaved(
    anywhere: SessionManager, swallowed: bool
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(HandedBack):
        async with anywhere.attach(session.session_id) as run:
            run.stop()
            with suppress(*([HandedBack] if swallowed else [])):
                change(run)
                await run.safe_point()
    await assert_stored(anywhere, session.session_id)


async def test_what_a_framework_wraps_while_handing_back_is_stored_too(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(HandedBack):
        async with anywhere.attach(session.session_id) as run:
            run.stop()
            try:
                await run.safe_point()
            except HandedBack as order:
                change(run)
                raise RuntimeError("a tool failed") from order
    await assert_stored(anywhere, session.session_id)


@pytest.mark.parametrize("kind", [ConnectionError, Conflict])
async def test_an_error_that_leaves_its_session_open_stores_no_half_done_step_and_says_so(
    anywhere: SessionManager, kind: type[Exception]
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(kind) as left:
        async with anywhere.attach(session.session_id, retry_on=ConnectionError) as run:
            await run.checkpoint("essay_marked")
            change(run)
            raise kind(None, ["marks.Anna"])
    assert NOT_STORED in left.value.__notes__
    found = await read(anywhere, session.session_id)
    assert (found.state, found.context, found.metadata) == ("active", {}, {})
    assert (await names(anywhere, session.session_id))[-1] == "essay_marked"


async def test_an_error_after_everything_was_saved_names_nothing(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(ConnectionError) as left:
        async with anywhere.attach(session.session_id, retry_on=ConnectionError) as run:
            await run.checkpoint("essay_marked")
            raise ConnectionError("model API answered 529")
    assert NOT_STORED not in left.value.__notes__


async def test_after_a_rollback_nothing_is_stored_and_nothing_counted(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(RolledBack):
        async with anywhere.attach(session.session_id, complete=False) as run:
            await run.checkpoint("essay_marked")
            await anywhere.rollback(session.session_id, 1, **OLGA)
            change(run)
    found = await read(anywhere, session.session_id)
    assert (found.context, found.metadata, found.refused_writes) == ({}, {}, 0)


async def test_a_rollback_beside_an_error_that_is_tried_again_leaves_as_the_rollback(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(RolledBack) as rolled_back:
        async with anywhere.attach(session.session_id, retry_on=ConnectionError) as run:
            await run.checkpoint("essay_marked")
            await anywhere.rollback(session.session_id, 1, **OLGA)
            change(run)
            raise BUSY
    assert rolled_back.value.__cause__ is BUSY
    found = await read(anywhere, session.session_id)
    assert (found.context, found.failed_attempts, found.refused_writes) == ({}, 0, 0)


async def test_after_a_take_over_nothing_is_stored(another: Make) -> None:
    first, second = await another(), await another()
    session = await first.create_session("grader")
    with pytest.raises(TakenOver):
        async with first.attach(session.session_id, complete=False) as run:
            async with second.attach(session.session_id, take_over=True, complete=False):
                pass
            change(run)
    assert (await read(first, session.session_id)).context == {}


@pytest.mark.parametrize("options", [{"complete": False}, {"complete": True}])
async def test_a_conflict_that_keeps_changes_from_being_stored_is_raised(
    anywhere: SessionManager, options: dict[str, Any]
) -> None:
    session = await anywhere.create_session("grader", context={"grade": 1})
    other = await read(anywhere, session.session_id)
    with pytest.raises(Conflict) as met:
        async with anywhere.attach(session.session_id, **options) as run:
            other.context["grade"] = 2
            await anywhere.update_session(other)
            run.context["grade"] = 3
            if not options["complete"]:
                run.stop()
                await run.safe_point()
    found = await read(anywhere, session.session_id)
    assert (found.state, found.context) == ("active", {"grade": 2})
    assert met.value.paths == ["grade"]
    assert "stays open" in met.value.__notes__[-1]


async def test_changes_that_an_error_cannot_store_as_it_fails_are_named_by_its_note(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(ZeroDivisionError) as left:
        async with anywhere.attach(session.session_id) as run:
            run.context["marks"] = {1, 2}
            raise ZeroDivisionError("no essays")
    assert any("not stored" in note and "marks" in note for note in left.value.__notes__)
    assert (await read(anywhere, session.session_id)).state == "failed"


def not_json(run: Run) -> None:
    run.context["marks"] = {1, 2}


def too_large(run: Run) -> None:
    run.session.metadata["essay"] = "a" * MAX_CONTEXT_BYTES


def half_a_character(run: Run) -> None:
    run.session.checkpoint("essay_marked").metadata["essay"] = "\ud800"


@pytest.mark.parametrize("spoil", [not_json, too_large, half_a_character])
@pytest.mark.parametrize("complete", [True, False])
async def test_an_error_of_the_last_save_fails_the_session_as_any_other_does(
    anywhere: SessionManager, spoil: Callable[[Run], None], complete: bool
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(InvalidInput) as left:
        async with anywhere.attach(session.session_id, complete=complete) as run:
            run.context["class"] = "7b"
            await run.save()
            spoil(run)
    found = await read(anywhere, session.session_id)
    assert found.state == "failed"
    assert found.checkpoints[-1].data["error"] == f"InvalidInput: {left.value}"
    assert (found.context, found.metadata) == ({"class": "7b"}, {})


async def test_an_error_of_the_last_save_that_is_tried_again_is_counted(
    anywhere: SessionManager,
) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(InvalidInput):
        async with anywhere.attach(session.session_id, retry_on=InvalidInput) as run:
            run.context["marks"] = {1, 2}
    found = await read(anywhere, session.session_id)
    assert (found.state, found.failed_attempts) == ("active", 1)


async def test_an_error_of_handing_back_fails_the_session(anywhere: SessionManager) -> None:
    session = await anywhere.create_session("grader")
    with pytest.raises(InvalidInput):
        async with anywhere.attach(session.session_id) as run:
            run.stop()
            run.context["marks"] = {1, 2}
            await run.safe_point()
    assert (await read(anywhere, session.session_id)).state == "failed"

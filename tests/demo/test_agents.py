"""The demo agents on real stores, in this process and without delays."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_sessions import AgentSession, SessionManager, SessionState
from agent_sessions.conversation import get_session_manager, shutdown_session_manager
from demo import alert, dialogue, gradebook, grader, orchestrator, quality_judge, quiz, tutor
from demo.desk import Desk, live
from demo.surroundings import Pace, Surroundings
from tests.support.waiting import HANGS

WHO = {"actor": "olga", "reason": "a test"}
ESSAYS = ["7b/clara-w", "7b/emilia-f", "7b/felix-n", "7b/lea-p"]


@pytest.fixture
def around(database_url, valkey_url, tmp_path):
    return Surroundings("grader-1", database_url, valkey_url, pace=Pace(0), folder=tmp_path)


@pytest.fixture
async def conversations(valkey_url) -> AsyncIterator[None]:
    await dialogue.open_book(valkey_url)
    yield
    await shutdown_session_manager()


async def grader_session(manager: SessionManager, essays=ESSAYS, class_name="7b") -> AgentSession:
    context = {"class": class_name, "subject": "Deutsch", "essays": essays, "grades": {}}
    return await manager.create_session("grader", "t@example", context, {"worker": "grader-1"})


async def names(manager: SessionManager, session_id: str) -> list[str]:
    return [c.name for c in await manager.get_checkpoints(session_id)]


async def essays_marked(manager: SessionManager, session_id: str, after: int = 0) -> list[str]:
    found = await manager.get_checkpoints(session_id, after=after)
    return [c.data["essay"] for c in found if c.name == "essay_marked"]


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(HANGS):
        while not await condition():  # noqa: ASYNC110 - a real store, another task
            await asyncio.sleep(0.01)


async def read(manager: SessionManager, session_id: str) -> AgentSession:
    session = await manager.get_session(session_id)
    assert session is not None
    return session


def last(session: AgentSession, name: str) -> dict[str, Any]:
    checkpoint = session.get_last_checkpoint(name)
    assert checkpoint is not None
    return checkpoint.data


async def test_a_grader_marks_every_essay_and_enters_the_grades(manager, around):
    session = await grader_session(manager)
    await live(manager, around, session.session_id, grader.mark_essays)
    done = await read(manager, session.session_id)
    assert done.state is SessionState.COMPLETED
    assert await essays_marked(manager, session.session_id) == ESSAYS
    assert done.context["progress"] == {"done": 4, "of": 4, "next": None}
    book = gradebook.read(around.folder / "notenbuch-7b.csv")
    assert book == {essay: mark["grade"] for essay, mark in done.context["grades"].items()}
    assert done.metadata["pid"] and done.metadata["worker"] == "grader-1"


async def test_the_broken_file_fails_its_session_with_the_reason(manager, around):
    session = await grader_session(manager, ["8a/ben-t", "8a/emre-y", "8a/ida-v"], "8a")
    with pytest.raises(UnicodeDecodeError):
        await live(manager, around, session.session_id, grader.mark_essays)
    failed = await read(manager, session.session_id)
    assert failed.state is SessionState.FAILED
    error = last(failed, "session_failed")["error"]
    assert error.startswith("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xfc")
    assert error.endswith("in 8a/emre-y.txt")
    assert await essays_marked(manager, session.session_id) == ["8a/ben-t"]


async def test_a_grader_rolled_back_when_done_repeats_exactly_the_essays_after_it(manager, around):
    session = await grader_session(manager)
    await live(manager, around, session.session_id, grader.mark_essays)
    second = (await manager.get_checkpoints(session.session_id))[2]
    assert second.data["essay"] == ESSAYS[1]
    count = len(await manager.get_checkpoints(session.session_id))
    rolled_back = await manager.rollback(session.session_id, second.id, **WHO)
    assert list(rolled_back.context["grades"]) == ESSAYS[:2]
    await live(manager, around, session.session_id, grader.mark_essays)
    assert await essays_marked(manager, session.session_id, after=count) == ESSAYS[2:]
    assert (await read(manager, session.session_id)).state is SessionState.COMPLETED


async def test_a_grader_rolled_back_at_work_starts_again_from_that_checkpoint(manager, around):
    slow = Surroundings(
        "grader-1", around.database_url, around.valkey_url, pace=Pace(0.005), folder=around.folder
    )
    session = await grader_session(manager)
    work = asyncio.create_task(live(manager, slow, session.session_id, grader.mark_essays))
    await until(lambda: marked(manager, session.session_id, 3))
    first = (await manager.get_checkpoints(session.session_id))[1]
    await manager.rollback(session.session_id, first.id, **WHO)
    async with asyncio.timeout(HANGS):
        await work
    everything = await manager.get_checkpoints(session.session_id)
    at = next(i for i, c in enumerate(everything) if c.name == "session_rolled_back")
    assert [c.data["essay"] for c in everything[at:] if c.name == "essay_marked"] == ESSAYS[1:]
    done = await read(manager, session.session_id)
    assert done.acknowledged_version == done.order_version > 0
    assert done.state is SessionState.COMPLETED


async def marked(manager: SessionManager, session_id: str, count: int) -> bool:
    return len(await essays_marked(manager, session_id)) >= count


async def test_a_grader_rolled_back_to_the_beginning_repeats_everything(manager, around):
    session = await grader_session(manager)
    await live(manager, around, session.session_id, grader.mark_essays)
    count = len(await manager.get_checkpoints(session.session_id))
    await manager.rollback(session.session_id, 1, **WHO)
    await live(manager, around, session.session_id, grader.mark_essays)
    assert await essays_marked(manager, session.session_id, after=count) == ESSAYS


async def test_a_paused_grader_stands_still_and_a_failed_one_ends(manager, around):
    session = await grader_session(manager)
    await manager.pause(session.session_id, **WHO)
    work = asyncio.create_task(live(manager, around, session.session_id, grader.mark_essays))
    await until(lambda: acknowledged(manager, session.session_id))
    assert await essays_marked(manager, session.session_id) == []
    await manager.fail(session.session_id, "not needed any more", **WHO)
    async with asyncio.timeout(HANGS):
        await work
    assert await essays_marked(manager, session.session_id) == []


async def acknowledged(manager: SessionManager, session_id: str) -> bool:
    return not (await read(manager, session_id)).order_open


async def test_an_edit_of_the_same_grade_is_read_again_and_not_fought_over(manager, around):
    session = await grader_session(manager, ESSAYS[:2])
    edited = asyncio.Event()

    async def job(work):
        if not edited.is_set():
            current = await read(manager, session.session_id)
            theirs = {**current.context, "grades": {ESSAYS[0]: {"grade": "1", "points": 99.0}}}
            await manager.edit(
                session.session_id, context=theirs, seen_version=current.context_version, **WHO
            )
            edited.set()
        await grader.mark_essays(work)

    await live(manager, around, session.session_id, job)
    done = await read(manager, session.session_id)
    assert done.state is SessionState.COMPLETED
    assert done.context["grades"][ESSAYS[0]] == {"grade": "1", "points": 99.0}
    assert await essays_marked(manager, session.session_id) == [ESSAYS[1]]


async def test_a_locked_grade_book_keeps_the_grader_waiting_while_it_beats(manager, around):
    session = await grader_session(manager, ESSAYS[:1])
    quick = Surroundings(
        "grader-1", "", None, pace=Pace(0), folder=around.folder, beat_seconds=0.02
    )
    async with gradebook.locked(around.folder, "7b"):
        work = asyncio.create_task(live(manager, quick, session.session_id, grader.mark_essays))
        await until(lambda: marked(manager, session.session_id, 1))
        await until(lambda: beaten_after(manager, datetime.now(UTC)))
        assert not work.done()
    async with asyncio.timeout(HANGS):
        await work
    assert (await read(manager, session.session_id)).state is SessionState.COMPLETED


async def beaten_after(manager: SessionManager, moment: datetime) -> bool:
    """The alert agent's view: heartbeats that are stored in the record."""
    await asyncio.sleep(0.05)
    await manager.tick()
    return (await manager.get_active_sessions())[0].last_heartbeat > moment


async def test_a_tutor_asks_every_question_and_the_conversation_is_kept(
    manager, around, conversations
):
    user, context = tutor.first_context(random.Random(1))
    session = await manager.create_session("tutor", user, context, {"worker": "grader-1"})
    await live(manager, around, session.session_id, tutor.hold_quiz)
    done = await read(manager, session.session_id)
    turns = (await names(manager, session.session_id)).count("turn_answered")
    assert sum(done.context["score"].values()) == tutor.QUESTIONS_A_LESSON
    assert tutor.QUESTIONS_A_LESSON <= turns <= 2 * tutor.QUESTIONS_A_LESSON
    assert len(done.context["turns"]) == min(turns, tutor.TURNS_KEPT)
    conversation = await get_session_manager().get(session.session_id)
    assert conversation is not None
    assert len(conversation.turns) == 2 * turns
    assert conversation.turns[-1].content == done.context["turns"][-1]["reply"]


async def test_a_tutor_without_valkey_goes_on(manager, around):
    await dialogue.open_book("redis://127.0.0.1:1/0")
    try:
        user, context = tutor.first_context(random.Random(2))
        session = await manager.create_session("tutor", user, context)
        async with asyncio.timeout(HANGS):
            await live(manager, around, session.session_id, tutor.hold_quiz)
    finally:
        await shutdown_session_manager()
    assert (await read(manager, session.session_id)).state is SessionState.COMPLETED


async def test_the_judge_agrees_with_the_graders_and_finds_what_was_changed(manager, around):
    graded = await grader_session(manager)
    await live(manager, around, graded.session_id, grader.mark_essays)
    stored = await read(manager, graded.session_id)
    forged = {**stored.context, "grades": {**stored.context["grades"]}}
    forged["grades"][ESSAYS[3]] = {"grade": "1", "points": 97.0}
    await manager.edit(
        graded.session_id, context=forged, seen_version=stored.context_version, **WHO
    )
    context = {"class": "7b", "sessions": [graded.session_id], "checked": []}
    judge = await manager.create_session("quality-judge", "q@example", context)
    await live(manager, around, judge.session_id, quality_judge.check_grades)
    done = await read(manager, judge.session_id)
    assert [one["agrees"] for one in done.context["checked"]] == [True, True, True, False]
    result = last(done, "session_completed")["result"]
    assert result["checked"] == 4
    assert result["disagreements"] == [ESSAYS[3]]


async def test_the_orchestrator_hands_out_a_class_and_orders_a_second_look(
    manager, around, monkeypatch
):
    monkeypatch.setenv("DEMO_GRADERS", "1")
    office = orchestrator.Office(manager, around)
    office.queue = ["7b"]
    session = await office.begin()
    assert session is not None
    assert await office.begin() is None, "nobody hands out a class that is being worked on"
    graders = Desk(manager, around, "grader", grader.mark_essays)
    work = asyncio.create_task(live(manager, around, session.session_id, orchestrator.hand_out))
    while not work.done():
        await graders.tick()
        await asyncio.sleep(0.01)
    await graders.close()
    seen = await names(manager, session.session_id)
    assert [seen.count(n) for n in ("essays_assigned", "essays_returned")] == [2, 2]
    done = await read(manager, session.session_id)
    assert set(done.context["grades"]) == set(done.context["essays"])
    judge = await read(manager, done.context["judged_by"])
    assert judge.context["sessions"] == [one["session"] for one in done.context["assigned"]]


async def test_a_desk_takes_only_what_is_addressed_to_it_and_takes_it_again(manager, around):
    mine = await grader_session(manager)
    await manager.create_session("grader", "t@example", {}, {"worker": "grader-2"})
    await manager.create_session("grader", "t@example", {}, {})
    done: list[str] = []

    async def job(work):
        done.append(work.session_id)

    desk = Desk(manager, around, "grader", job)
    await settle(desk)
    await settle(desk)
    assert done == [mine.session_id]
    await manager.rollback(mine.session_id, 1, **WHO)
    await settle(desk)
    assert done == [mine.session_id] * 2


async def settle(desk: Desk) -> None:
    await desk.tick()
    await asyncio.gather(*desk.tasks.values())


async def test_a_desk_that_closes_ends_no_session(manager, around):
    session = await grader_session(manager)

    async def never(work):
        await asyncio.Event().wait()

    desk = Desk(manager, around, "grader", never)
    await desk.tick()
    await asyncio.sleep(0)
    await desk.close()
    assert (await read(manager, session.session_id)).state is SessionState.ACTIVE


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def silent_for(seconds: float, session_id: str = "00000000-0000-4000-8000-000000000001"):
    beat = NOW - timedelta(seconds=seconds)
    return AgentSession(
        "grader", session_id=session_id, last_heartbeat=beat, metadata={"worker": "grader-2"}
    )


def test_the_alert_agent_opens_one_incident_per_loss_and_closes_it():
    context, long_ago = alert.first_context(), NOW - timedelta(hours=1)
    lost = silent_for(130)
    assert alert.note(context, [lost], NOW, long_ago)["new"] == [lost.session_id]
    assert alert.note(context, [lost], NOW, long_ago)["new"] == []
    alert.note(context, [silent_for(5)], NOW, long_ago)
    [incident] = context["incidents"]
    assert (incident["worker"], incident["ending"]) == ("grader-2", "wieder da")
    assert context["incidents_total"] == 1
    assert context["round"] == 3


def test_the_alert_agent_ignores_silence_during_an_outage():
    context = alert.first_context()
    assert alert.note(context, [silent_for(600)], NOW, NOW - timedelta(seconds=30))["lost"] == []


def test_the_alert_agent_sees_that_a_lost_session_has_ended():
    context, long_ago = alert.first_context(), NOW - timedelta(hours=1)
    alert.note(context, [silent_for(130)], NOW, long_ago)
    alert.note(context, [], NOW, long_ago)
    assert context["incidents"][0]["ending"] == "beendet"


async def test_the_alert_agent_finishes_its_shift(manager, around):
    await grader_session(manager)
    session = await manager.create_session("alert", "w@example", alert.first_context())
    await live(manager, around, session.session_id, alert.watch)
    done = await read(manager, session.session_id)
    assert done.context["round"] == alert.ROUNDS_A_SHIFT
    assert done.context["watched"] == 2


def test_every_subject_has_questions_enough_for_a_lesson():
    assert all(len(quiz.load(subject)) >= tutor.QUESTIONS_A_LESSON for subject in quiz.subjects())

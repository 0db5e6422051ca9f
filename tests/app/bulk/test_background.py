"""The thread that runs bulk jobs."""

from __future__ import annotations

from collections.abc import Callable

from sessions_app.bulk.worker import Background


def counted(answers: list[bool]) -> tuple[Callable[[], bool], list[bool]]:
    """A search for a waiting job with these answers, and those that were given."""
    given: list[bool] = []

    def look() -> bool:
        given.append(answers.pop(0))
        return given[-1]

    return look, given


def test_one_tick_runs_jobs_until_none_waits() -> None:
    look, given = counted([True, True, False, True])
    Background(look).tick()
    assert given == [True, True, False]


def test_after_it_was_stopped_it_begins_no_job() -> None:
    look, given = counted([True])
    background = Background(look)
    background.stop()
    background.tick()
    assert given == []


def test_a_failed_job_leaves_the_thread_alive() -> None:
    def look() -> bool:
        raise RuntimeError("the first job is broken")

    assert Background(look).tick() > 0

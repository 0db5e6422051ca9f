"""The monitor knows when it was blind."""

from __future__ import annotations

import pytest

from sessions_app.feed.blindness import Blindness, Interval

from .conftest import Clock


@pytest.fixture
def blindness(clock: Clock) -> Blindness:
    found = Blindness(("ear",), clock=lambda: clock.wall, monotonic=lambda: clock.steady)
    found.end("ear")
    found.past.clear()
    return found


def test_it_starts_blind(clock: Clock) -> None:
    started = Blindness(("ear", "eye"), clock=lambda: clock.wall, monotonic=lambda: clock.steady)
    since = clock.wall
    clock.passes(3)
    started.end("ear")
    assert started.since == since
    started.end("eye")
    assert not started.since
    assert started.intervals() == [
        Interval("ear", since, since + 3),
        Interval("eye", since, since + 3),
    ]


def test_an_interval_has_a_beginning_and_an_end(blindness: Blindness, clock: Clock) -> None:
    begun = clock.wall
    blindness.begin("ear")
    clock.passes(7)
    blindness.begin("ear")
    assert blindness.since == begun
    assert blindness.intervals() == [Interval("ear", begun, None)]
    blindness.end("ear")
    assert blindness.intervals() == [Interval("ear", begun, begun + 7)]


def test_a_clock_that_jumps_is_noticed(blindness: Blindness, clock: Clock) -> None:
    clock.passes(1)
    assert blindness.look() is None
    before = clock.wall
    clock.wall += 3600
    clock.steady += 1
    assert blindness.look() == Interval("clock", before, before + 3600)


def test_a_clock_set_back_is_noticed(blindness: Blindness, clock: Clock) -> None:
    before = clock.wall
    clock.wall -= 60
    clock.steady += 1
    assert blindness.look() == Interval("clock", before - 60, before)


def test_a_standstill_of_this_process_is_noticed(blindness: Blindness, clock: Clock) -> None:
    before = clock.wall
    clock.passes(30)
    assert blindness.look() == Interval("standstill", before, before + 30)

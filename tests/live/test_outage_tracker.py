"""OutageTracker knows since when something is away, and when it was."""

from __future__ import annotations

import pytest

from sessions_app.watchdog.outages import Outage, OutageTracker

from .conftest import Clock


@pytest.fixture
def blindness(clock: Clock) -> OutageTracker:
    found = OutageTracker(("ear",), clock=lambda: clock.wall, monotonic=lambda: clock.steady)
    found.end("ear")
    found.past.clear()
    return found


def test_it_starts_with_an_outage(clock: Clock) -> None:
    started = OutageTracker(
        ("ear", "eye"), clock=lambda: clock.wall, monotonic=lambda: clock.steady
    )
    since = clock.wall
    clock.passes(3)
    started.end("ear")
    assert started.since == since
    started.end("eye")
    assert not started.since
    assert started.outages() == [
        Outage("ear", since, since + 3),
        Outage("eye", since, since + 3),
    ]


def test_an_interval_has_a_beginning_and_an_end(blindness: OutageTracker, clock: Clock) -> None:
    begun = clock.wall
    blindness.begin("ear")
    clock.passes(7)
    blindness.begin("ear")
    assert blindness.since == begun
    assert blindness.outages() == [Outage("ear", begun, None)]
    blindness.end("ear")
    assert blindness.outages() == [Outage("ear", begun, begun + 7)]


def test_a_clock_that_jumps_is_noticed(blindness: OutageTracker, clock: Clock) -> None:
    clock.passes(1)
    assert blindness.check_clock() is None
    before = clock.wall
    clock.wall += 3600
    clock.steady += 1
    assert blindness.check_clock() == Outage("clock", before, before + 3600)


def test_a_clock_set_back_is_noticed(blindness: OutageTracker, clock: Clock) -> None:
    before = clock.wall
    clock.wall -= 60
    clock.steady += 1
    assert blindness.check_clock() == Outage("clock", before - 60, before)


def test_a_standstill_of_this_process_is_noticed(blindness: OutageTracker, clock: Clock) -> None:
    before = clock.wall
    clock.passes(30)
    assert blindness.check_clock() == Outage("standstill", before, before + 30)

"""The observed part of a silence: a pure function."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sessions_app.watchdog.observed_silence import cutoff
from sessions_app.watchdog.outages import Outage

NOW = 10_000.0


def gap(since: float, until: float | None) -> Outage:
    return Outage("valkey", since, until)


def test_without_outages_the_silence_is_the_elapsed_time():
    assert cutoff(NOW, 3600, [], began_at=0) == NOW - 3600


def test_an_outage_in_between_does_not_count():
    assert cutoff(NOW, 3600, [gap(9_000, 9_500)], began_at=0) == NOW - 3600 - 500


def test_an_outage_before_the_silence_does_not_matter():
    assert cutoff(NOW, 3600, [gap(1_000, 2_000)], began_at=0) == NOW - 3600


def test_an_open_outage_lasts_until_now():
    assert cutoff(NOW, 3600, [gap(9_000, None)], began_at=0) == NOW - 3600 - 1_000


def test_overlapping_outages_count_once():
    gaps = [gap(9_000, 9_500), gap(9_200, 9_600), gap(9_300, 9_400)]
    assert cutoff(NOW, 3600, gaps, began_at=0) == NOW - 3600 - 600


def test_time_before_the_first_check_does_not_count():
    assert cutoff(NOW, 3600, [], began_at=NOW - 3599) is None


def test_after_the_clock_was_set_back_nothing_counts_until_it_has_caught_up():
    set_back = gap(NOW - 100, NOW + 500)
    assert cutoff(NOW, 60, [set_back], began_at=0) == NOW - 100 - 60


seconds = st.floats(0, NOW)


@given(st.lists(st.tuples(seconds, seconds)), st.floats(1, 5_000))
def test_it_equals_counting_second_by_second(pairs, wanted):
    gaps = [gap(min(pair), max(pair)) for pair in pairs]
    found = cutoff(NOW, wanted, gaps, began_at=float("-inf"))
    assert found is not None
    edges = sorted({found, NOW, *(t for p in pairs for t in p if found <= t <= NOW)})
    seen = sum(
        b - a
        for a, b in itertools.pairwise(edges)
        if not any(g.since <= (a + b) / 2 <= g.until for g in gaps)
    )
    assert abs(seen - wanted) < 0.001

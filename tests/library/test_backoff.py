"""Waits between attempts grow up to a bound, and differ between processes."""

from __future__ import annotations

from agent_sessions.backoff import Backoff


def test_waits_double_up_to_the_bound_and_keep_at_least_half_of_it() -> None:
    backoff = Backoff(0.5, 30)
    waits = [backoff.next() for _ in range(12)]
    ceilings = [min(0.5 * 2**n, 30) for n in range(12)]
    assert all(
        ceiling / 2 <= wait <= ceiling for wait, ceiling in zip(waits, ceilings, strict=True)
    )


def test_a_thousand_failures_wait_no_longer_than_the_bound() -> None:
    backoff = Backoff(0.05, 2)
    assert max(backoff.next() for _ in range(1_100)) <= 2


def test_after_a_success_the_first_wait_comes_again() -> None:
    backoff = Backoff(0.05, 2)
    for _ in range(9):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 0.05


def test_two_processes_do_not_wait_equally_long() -> None:
    one, other = Backoff(1, 60), Backoff(1, 60)
    assert [one.next() for _ in range(9)] != [other.next() for _ in range(9)]

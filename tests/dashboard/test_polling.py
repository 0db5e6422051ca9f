"""Repeated attempts until the time is over."""

from __future__ import annotations

from dashboard.polling import poll


def test_without_any_time_there_is_one_try_which_is_the_last() -> None:
    assert list(poll(0, 0)) == [True]


def test_only_the_last_try_is_called_so_and_each_but_that_is_followed_by_a_pause() -> None:
    paused: list[float] = []
    tries = list(poll(0.01, 0.001, paused.append))
    assert tries == [*([False] * len(paused)), True]
    assert set(paused) == {0.001}


def test_what_succeeded_is_not_tried_again() -> None:
    tried = 0
    for _is_last in poll(3600, 0):
        tried += 1
        if tried == 3:
            break
    assert tried == 3

"""Processes that end are restarted after growing waits, which shrink again after a long life."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest

from dashboard.embedded import process
from dashboard.embedded.process import Child
from dashboard.errors import SetupError
from dashboard.supervisor import LONGEST_WAIT, SupervisedProcess


def ended() -> Child:
    child = process.start("a program", [sys.executable, "-c", ""], cwd=Path("/"))
    child.process.wait(10)
    return child


def test_waits_grow_to_their_limit_and_shrink_after_a_long_life() -> None:
    starts: list[float] = []
    place = [ended()]
    kept = SupervisedProcess(place, place[0], again=lambda: starts.append(now) or ended())  # type: ignore[func-returns-value]
    for quarters in range(600):
        now = quarters / 4
        kept.tick(now)
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert waits == sorted(waits)
    assert LONGEST_WAIT <= waits[-1] <= LONGEST_WAIT + 0.25
    assert place == [kept.child]

    now += 1000
    kept.tick(now)
    kept.tick(now + 0.5)
    assert starts[-1] == now


def test_what_cannot_be_started_yet_is_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    answers = [SetupError("the disk is full"), None]

    def again() -> Child:
        if problem := answers.pop(0):
            raise problem
        return ended()

    place = [ended()]
    kept = SupervisedProcess(place, place[0], again)
    first = kept.child
    for now in (0.0, 0.5):
        kept.tick(now)
    assert kept.child is first
    kept.tick(1.5)
    assert kept.child is not first
    assert "warning: the disk is full; trying again in 1 s" in capsys.readouterr().err


def test_a_program_whose_code_has_changed_is_started_again_at_once() -> None:
    place = [process.start("a program", ["sleep", "600"], cwd=Path("/"), patience=5)]
    kept = SupervisedProcess(place, place[0], again=ended)
    first = kept.child
    kept.wait, kept.due = LONGEST_WAIT, 1_000.0
    kept.restart()
    kept.tick(1.0)
    assert first.process.poll() is not None
    assert place == [kept.child] != [first]

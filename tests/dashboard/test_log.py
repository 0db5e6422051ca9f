"""Log lines of the dashboard's programs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from dashboard import environment
from tests.support.dashboard import own_environment

PROGRAM = """
import logging
import django
django.setup()
ours, other = logging.getLogger("sessions_app.x"), logging.getLogger("elsewhere")
ours.debug("ours, small")
ours.info("ours %s", "höre")
ours.warning("ours, large")
other.info("other, small")
other.warning("other, large")
try:
    1 / 0
except ZeroDivisionError:
    ours.exception("it failed")
"""
STAMP = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00) \[")


def written(**env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=own_environment(env),
        cwd=environment.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_a_line_has_its_date_and_its_offset() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    line = next(line for line in written().splitlines() if "ours höre" in line)
    stamp = STAMP.match(line)
    assert stamp, line
    assert before <= datetime.fromisoformat(stamp[1]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("debug", ["ours, small", "ours höre", "ours, large", "other, small", "other, large"]),
        ("", ["ours höre", "ours, large", "other, large"]),
        ("INFO", ["ours höre", "ours, large", "other, large"]),
        ("warning", ["ours, large", "other, large"]),
        ("error", []),
    ],
)
def test_the_level_is_a_setting(level: str, said: list[str]) -> None:
    lines = written(LOG_LEVEL=level, LOG_FORMAT="json").splitlines()
    events = [json.loads(line)["event"] for line in lines]
    ours = [each for each in events if each.startswith(("ours", "other"))]
    assert ours == said
    assert "it failed" in events


def test_as_json_every_line_is_an_object_with_its_traceback_inside() -> None:
    found = [json.loads(line) for line in written(LOG_FORMAT="json").splitlines()]
    failed = next(each for each in found if each["event"] == "it failed")
    assert (failed["level"], failed["logger"]) == ("error", "sessions_app.x")
    assert datetime.fromisoformat(failed["timestamp"]).tzinfo is not None
    assert "ZeroDivisionError" in failed["exception"]

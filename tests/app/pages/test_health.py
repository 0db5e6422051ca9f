"""Health depends on stored values and one frozen clock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from sessions_app.health import Health, health, is_without_agent, limits_of, rule_for

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
RULES = {
    "default": {"interval": 10, "late": 30, "lost": 120, "no_progress": 600},
    "tutor": {"late": 60},
}


@dataclass
class Facts:
    state: str = "active"
    agent_type: str = "grader"
    last_heartbeat: datetime | None = NOW
    last_progress: datetime | None = NOW


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("silence", "expected"),
    [
        (0, Health.ON_TIME),
        (29.9, Health.ON_TIME),
        (30, Health.LATE),
        (119.9, Health.LATE),
        (120, Health.LOST),
        (-5, Health.ON_TIME),
    ],
)
def test_silence_turns_late_and_then_lost(silence: float, expected: Health) -> None:
    assert health(Facts(last_heartbeat=ago(silence)), RULES, NOW) is expected


def test_alive_without_progress_is_a_condition_of_its_own() -> None:
    assert health(Facts(last_progress=ago(600)), RULES, NOW) is Health.NO_PROGRESS
    assert health(Facts(last_progress=ago(599)), RULES, NOW) is Health.ON_TIME


def test_silence_outweighs_missing_progress() -> None:
    facts = Facts(last_heartbeat=ago(500), last_progress=ago(5000))
    assert health(facts, RULES, NOW) is Health.LOST


def test_a_paused_session_may_stand_still_but_not_fall_silent() -> None:
    assert health(Facts(state="paused", last_progress=ago(9999)), RULES, NOW) is Health.ON_TIME
    assert health(Facts(state="paused", last_heartbeat=ago(500)), RULES, NOW) is Health.LOST


@pytest.mark.parametrize("state", ["completed", "failed", "deleted", "nonsense"])
def test_an_ended_session_is_never_late(state: str) -> None:
    facts = Facts(state=state, last_heartbeat=ago(9999))
    assert health(facts, RULES, NOW) is Health.NOT_WATCHED


def test_a_session_never_heard_of_is_lost() -> None:
    assert health(Facts(last_heartbeat=None), RULES, NOW) is Health.LOST


def test_an_agent_type_overrides_the_default_rule_by_rule() -> None:
    rule = rule_for("tutor", RULES)
    assert (rule.late, rule.lost) == (60, 120)
    assert health(Facts(agent_type="tutor", last_heartbeat=ago(45)), RULES, NOW) is Health.ON_TIME


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (Facts(last_heartbeat=ago(119.9)), False),
        (Facts(last_heartbeat=ago(120)), True),
        (Facts(last_heartbeat=None), True),
        (Facts(state="completed", last_heartbeat=ago(120)), True),
        (Facts(state="completed", last_heartbeat=ago(1)), False),
    ],
)
def test_an_order_finds_no_agent_once_its_heartbeat_is_lost_whatever_the_state(
    facts: Facts, expected: bool
) -> None:
    assert is_without_agent(facts, RULES, NOW) is expected


def test_one_that_has_made_no_progress_yet_is_on_time() -> None:
    assert health(Facts(last_progress=None), RULES, NOW) is Health.ON_TIME


@pytest.mark.parametrize(
    ("state", "limits"),
    [
        ("active", "lost heartbeat 120;late heartbeat 30;no_progress progress 600"),
        ("paused", "lost heartbeat 120;late heartbeat 30"),
        ("completed", ""),
        ("deleted", ""),
    ],
)
def test_the_browser_gets_the_limits_of_the_state(state: str, limits: str) -> None:
    assert limits_of(Facts(state=state), RULES) == limits


def test_progress_that_is_unknown_has_no_limit_and_a_heartbeat_has() -> None:
    unknown = Facts(last_heartbeat=None, last_progress=None)
    assert limits_of(unknown, RULES) == "lost heartbeat 120;late heartbeat 30"

"""The chart's numbers from history and heartbeats, the same before and after folding."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.db import connection
from django.test import Client
from django.utils import timezone

from agent_sessions import AgentSession
from sessions_app import actions, manager_portal
from sessions_app.selectors.activity import Chart, chart
from tests.support.access import FULL

Make = Callable[..., AgentSession]


def sums(drawn: Chart) -> dict[str, int]:
    return {one.key: sum(one.values) for one in drawn.series}


def test_changes_are_counted_by_the_state_they_led_to_and_by_agent_type(make_session: Make) -> None:
    make_session("grader", checkpoints=("essay_marked", "essay_marked"))
    tutor = make_session("tutor")
    actions.perform("pause", tutor.session_id, actor="olga")
    now = timezone.now() + timedelta(seconds=1)
    assert sums(chart(5, "state", now, FULL)) == {"active": 4, "paused": 1}
    assert sums(chart(15, "type", now, FULL)) == {"grader": 3, "tutor": 2}


def test_what_was_folded_counts_as_before_and_once(make_session: Make) -> None:
    make_session("grader", checkpoints=("essay_marked",) * 3)
    later = timezone.now() + timedelta(minutes=1)
    before = sums(chart(60, "state", later, FULL))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO agent_session_activity"
            " SELECT * FROM agent_session_activity_since(now() - interval '1 hour', now() + interval '1 minute')"
        )
        cursor.execute("SELECT agent_session_fold_activity()")
    assert sums(chart(60, "state", later, FULL)) == before == {"active": 4}


def test_received_beats_are_counted_and_a_valkey_that_is_away_is_not_shown_as_silence(
    make_session: Make, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    session = make_session()
    manager_portal.call(lambda manager: manager.heartbeat(session.session_id))
    drawn = chart(5, "state", datetime.now(UTC), FULL)
    assert drawn.beats is not None
    assert sum(n or 0 for n in drawn.beats) >= 1
    assert len(drawn.beats) == len(drawn.slots)
    manager_portal.portal.close()
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    assert chart(5, "state", datetime.now(UTC), FULL).beats is None


@pytest.mark.parametrize("minutes", [5, 60])
def test_what_valkey_lost_is_not_shown_as_silence(
    make_session: Make, valkey_url: str, minutes: int
) -> None:
    session = make_session()
    now = datetime.now(UTC)
    with redis.Redis.from_url(valkey_url) as valkey:
        valkey.flushdb()
    assert chart(minutes, "state", now, FULL).beats == [None] * len(
        chart(minutes, "state", now, FULL).slots
    )
    manager_portal.call(lambda manager: manager.heartbeat(session.session_id))
    later = now + timedelta(minutes=minutes - 2)  # a slot of a minute before the heartbeat
    drawn = chart(minutes, "state", later, FULL)
    assert drawn.beats is not None
    first = next(i for i, n in enumerate(drawn.beats) if n is not None)
    assert first > 0
    assert None not in drawn.beats[first:]


def test_the_numbers_are_for_those_who_may_look(
    client: Client, viewer: Any, nobody: Any, make_session: Make
) -> None:
    make_session()
    assert client.get("/chart/").status_code == 302
    client.force_login(nobody)
    assert client.get("/chart/").status_code == 403
    client.force_login(viewer)
    answer = client.get("/chart/?minutes=5&by=type").json()
    assert [one["key"] for one in answer["series"]] == ["grader"]


@pytest.mark.parametrize("query", ["minutes=7", "minutes=x", "by=user", "minutes=-5"])
def test_an_unknown_period_is_answered_with_the_known_ones(
    client: Client, viewer: Any, query: str
) -> None:
    client.force_login(viewer)
    answer = client.get(f"/chart/?{query}")
    assert answer.status_code == 400
    assert "1440" in answer.json()["error"]
